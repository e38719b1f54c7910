package servers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const keycloakVersion = "26.4.7"

// The account of Keycloak's administrator.
const (
	KeycloakUser     = "admin"
	KeycloakPassword = "adm1n"
)

// Keycloak returns an identity provider that is not started yet, with its log in dir. It answers
// over HTTP on this machine, and keeps its data in memory: a restart forgets them. Its first use
// takes a minute more, in which Keycloak prepares itself.
func Keycloak(dir string) (*Server, error) {
	program, err := java()
	if err != nil {
		return nil, err
	}
	cache, err := cached("keycloak-"+keycloakVersion, func(work string) error {
		if err := maven(emptyPOM, "unpack", "-Dartifact=org.keycloak:keycloak-quarkus-dist:"+keycloakVersion+":zip", "-DoutputDirectory="+work); err != nil {
			return err
		}
		build := keycloak(program, filepath.Join(work, "keycloak-"+keycloakVersion), dir, "build", "--db=dev-mem")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("keycloak build: %w\n%s", err, out)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	return &Server{
		Name: "keycloak", Address: address, Dir: dir,
		command: func() *exec.Cmd {
			return keycloak(program, filepath.Join(cache, "keycloak-"+keycloakVersion), dir, "start", "--optimized", "--http-enabled=true", "--http-host=127.0.0.1",
				fmt.Sprintf("--http-port=%d", port), "--hostname=http://"+address, "--cache=local")
		},
		ready: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/realms/master/.well-known/openid-configuration", nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("keycloak: HTTP %d", res.StatusCode)
			}
			return nil
		},
	}, nil
}

// keycloak is a call of Keycloak's program in home, as its script bin/kc.sh makes it.
func keycloak(program, home, dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, append([]string{
		"-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.io.tmpdir=" + dir, "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED", "--add-opens=java.base/java.security=ALL-UNNAMED",
		"-Dkc.home.dir=" + home, "-Djboss.server.config.dir=" + filepath.Join(home, "conf"), "-Djava.util.logging.manager=org.jboss.logmanager.LogManager", "-Dpicocli.disable.closures=true",
		"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
		"-cp", filepath.Join(home, "lib", "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
	}, args...)...)
	cmd.Env = append(os.Environ(), "KC_BOOTSTRAP_ADMIN_USERNAME="+KeycloakUser, "KC_BOOTSTRAP_ADMIN_PASSWORD="+KeycloakPassword)
	return cmd
}
