package notes

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/printable"
)

// Mail returns the email address of the person at this machine from git's global configuration. The
// configuration of a project may be written by somebody else, so dir is a folder outside any project.
func Mail(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "config", "--global", "--includes", "user.email")
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "GIT_DIR=") || strings.HasPrefix(e, "GIT_WORK_TREE=") || strings.HasPrefix(e, "GIT_COMMON_DIR=")
	})
	out, err := cmd.Output()
	if err != nil {
		return "" // git knows no address
	}
	return printable.Line(string(out))
}
