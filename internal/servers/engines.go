package servers

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Versions of the engines. The "integ-test" distributions are servers without plug-ins: they have
// neither ILM nor ISM.
const (
	openSearchVersion    = "2.19.4"
	elasticsearchVersion = "8.19.21"
)

// asRoot lets an engine start when the tests run as root, which both engines refuse. They detect
// root through JNA; if JNA cannot find its library, they only warn and start.
func asRoot() []string {
	if os.Getuid() != 0 {
		return nil
	}
	return []string{"-Djna.boot.library.path=/nonexistent", "-Djna.noclasspath=true"}
}

// OpenSearch returns a single node that is not started yet, with its data in dir and further
// settings, such as "thread_pool.write.queue_size: 1".
func OpenSearch(dir string, settings ...string) (*Server, error) {
	program, err := java()
	if err != nil {
		return nil, err
	}
	cache, err := cached("opensearch-"+openSearchVersion, func(work string) error {
		return maven(emptyPOM, "unpack", "-Dartifact=org.opensearch.distribution.integ-test-zip:opensearch:"+openSearchVersion+":zip", "-DoutputDirectory="+work)
	})
	if err != nil {
		return nil, err
	}
	home := filepath.Join(cache, "opensearch-"+openSearchVersion)
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config, err := configure(dir, filepath.Join(home, "config"), "opensearch.yml", port, settings)
	if err != nil {
		return nil, err
	}
	return engine("opensearch", dir, port, func() *exec.Cmd {
		args := append([]string{
			"-Xms512m", "-Xmx512m", "-Xss1m", "-XX:+UseSerialGC", "-Djava.io.tmpdir=" + filepath.Join(dir, "tmp"),
			"-Djava.awt.headless=true", "-Dfile.encoding=UTF-8", "-Djna.nosys=true", "-Djava.security.manager=allow",
			"-Dlog4j.shutdownHookEnabled=false", "-Dlog4j2.disable.jmx=true",
			"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=org.opensearch.secure_sm.SecuredForkJoinWorkerThreadFactory",
			"-Dopensearch.path.home=" + home, "-Dopensearch.path.conf=" + config, "-Dopensearch.distribution.type=zip", "-Dopensearch.bundled_jdk=false",
		}, asRoot()...)
		return exec.Command(program, append(args, "-cp", filepath.Join(home, "lib")+"/*", "org.opensearch.bootstrap.OpenSearch")...)
	}), nil
}

// Elasticsearch returns a single node that is not started yet, with its data in dir. The
// distribution has no GET / and no API for data streams, but supports the data streams themselves.
func Elasticsearch(dir string, settings ...string) (*Server, error) {
	program, err := java()
	if err != nil {
		return nil, err
	}
	cache, err := cached("elasticsearch-"+elasticsearchVersion, func(work string) error {
		err := maven(emptyPOM, "unpack", "-Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:"+elasticsearchVersion+":zip", "-DoutputDirectory="+work)
		if err != nil {
			return err
		}
		home := filepath.Join(work, "elasticsearch-"+elasticsearchVersion)
		for _, name := range []string{"x-pack-apm-data", "x-pack-otel-data"} { // they only install templates
			if err := os.RemoveAll(filepath.Join(home, "modules", name)); err != nil {
				return err
			}
		}
		return os.MkdirAll(filepath.Join(home, "plugins"), 0o755)
	})
	if err != nil {
		return nil, err
	}
	home := filepath.Join(cache, "elasticsearch-"+elasticsearchVersion)
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	settings = append([]string{"xpack.security.enabled: false"}, settings...)
	config, err := configure(dir, filepath.Join(home, "config"), "elasticsearch.yml", port, settings)
	if err != nil {
		return nil, err
	}
	options := strings.Join(append([]string{"-XX:+UseSerialGC", "-Djava.io.tmpdir=" + filepath.Join(dir, "tmp")}, asRoot()...), "\n")
	if err := os.WriteFile(filepath.Join(config, "jvm.options"), []byte(options+"\n"), 0o644); err != nil {
		return nil, err
	}
	return engine("elasticsearch", dir, port, func() *exec.Cmd {
		cmd := exec.Command(program, "-Xms4m", "-Xmx64m", "-XX:+UseSerialGC", "-Dcli.name=server", "-Dcli.script=bin/elasticsearch",
			"-Dcli.libs=lib/tools/server-cli", "-Des.path.home="+home, "-Des.path.conf="+config, "-Des.distribution.type=zip",
			"-Des.java.type=JAVA_HOME", "-cp", filepath.Join(home, "lib")+"/*:"+filepath.Join(home, "lib", "cli-launcher")+"/*",
			"org.elasticsearch.launcher.CliToolLauncher")
		cmd.Dir = home
		cmd.Env = append(os.Environ(), "ES_TMPDIR="+filepath.Join(dir, "tmp"), "ES_JAVA_OPTS=-Xms512m -Xmx512m", "JAVA_TOOL_OPTIONS=", "_JAVA_OPTIONS=")
		return cmd
	}), nil
}

// configure writes the configuration folder of a node and returns it.
func configure(dir, from, file string, port int, settings []string) (string, error) {
	config := filepath.Join(dir, "config")
	for _, d := range []string{config, filepath.Join(dir, "data"), filepath.Join(dir, "logs"), filepath.Join(dir, "tmp")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", err
		}
	}
	if err := os.CopyFS(config, os.DirFS(from)); err != nil {
		return "", err
	}
	text := strings.Join(append([]string{
		"cluster.name: changetrail-test",
		"path.data: " + filepath.Join(dir, "data"),
		"path.logs: " + filepath.Join(dir, "logs"),
		"network.host: 127.0.0.1",
		fmt.Sprintf("http.port: %d", port),
		`transport.port: "0"`,
		"discovery.type: single-node",
		"cluster.routing.allocation.disk.threshold_enabled: false",
	}, settings...), "\n")
	return config, os.WriteFile(filepath.Join(config, file), []byte(text+"\n"), 0o644)
}

func engine(name, dir string, port int, command func() *exec.Cmd) *Server {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	return &Server{
		Name: name, Address: address, Dir: dir, command: command,
		ready: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/_cluster/health?wait_for_status=yellow&timeout=2s", nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: HTTP %d", name, res.StatusCode)
			}
			return nil
		},
	}
}
