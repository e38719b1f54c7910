package servers

import (
	"fmt"
	"os/exec"
)

// Chromium returns the path of a real browser. If there is none, it tries to install Debian's
// package.
func Chromium() (string, error) {
	for range 2 {
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
			if path, err := exec.LookPath(name); err == nil {
				return path, nil
			}
		}
		install := exec.Command("sh", "-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium")
		if out, err := install.CombinedOutput(); err != nil {
			return "", fmt.Errorf("no Chromium is here, and apt-get does not install it: %w: %.300s; install the package chromium", err, out)
		}
	}
	return "", fmt.Errorf("the package chromium is installed and has no program of that name")
}
