// Package servers starts a real Kafka, OpenSearch, Elasticsearch and Keycloak for tests, from the artefacts
// that their makers publish on Maven Central. It needs Java 17 and Maven, but neither Docker nor
// root. It keeps its downloads in the user's cache folder for later runs.
//
// It imports no other package of changetrail.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// A Server is one running process.
type Server struct {
	Name    string
	Address string // host:port of clients
	Secure  string // host:port of clients that encrypt and log in, where the server has it
	CAFile  string // PEM file that signs its certificate
	Dir     string // data, configuration and log

	notRoot bool // it refuses to run as root: it sees itself as another user, who is root outside

	command func() *exec.Cmd
	ready   func(context.Context) error
	cmd     *exec.Cmd
	ended   chan struct{}
}

// ErrMissing reports a tool that this machine lacks.
var ErrMissing = errors.New("missing on this machine")

// Start starts the process and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.command()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.notRoot && os.Getuid() == 0 {
		s.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		s.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, Size: 1}}
		s.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, Size: 1}}
	}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	deadline := time.Now().Add(4 * time.Minute)
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended while starting:\n%s", s.Name, s.tail())
		case <-ctx.Done():
			s.Kill()
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("%s does not answer after four minutes (%w):\n%s", s.Name, err, s.tail())
		}
	}
}

func (s *Server) tail() string {
	b, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// Stop asks the process to end, and kills it if it does not.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the process as a crash would.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(sig syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, sig)
	select {
	case <-s.ended:
	case <-time.After(40 * time.Second):
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.ended
	}
}

// freePort returns an unused port of the loopback interface.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// java returns the java program, of version 17 or newer.
func java() (string, error) {
	for _, home := range []string{os.Getenv("JAVA_HOME")} {
		if path := filepath.Join(home, "bin", "java"); home != "" && fileExists(path) {
			return path, nil
		}
	}
	path, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("java: %w: install a JDK 17, as Debian's openjdk-17-jdk-headless", ErrMissing)
	}
	return filepath.EvalSymlinks(path)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// cached returns a folder of the cache, which fill creates the first time. A folder appears
// complete or not at all; processes that need the same one wait for each other.
func cached(name string, fill func(dir string) error) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	base = filepath.Join(base, "changetrail-servers")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	dir := filepath.Join(base, name)
	if fileExists(dir) {
		return dir, nil
	}
	lock := flock.New(filepath.Join(base, ".lock"))
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer func() { _ = lock.Unlock() }()
	if fileExists(dir) {
		return dir, nil
	}
	work, err := os.MkdirTemp(base, ".work-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := fill(work); err != nil {
		return "", err
	}
	return dir, os.Rename(work, dir)
}

const pluginVersion = "3.8.1"

// maven runs a goal of the dependency plugin for a pom, several times if necessary: a registry may
// be slow.
func maven(pom, goal string, args ...string) error {
	if _, err := exec.LookPath("mvn"); err != nil {
		return fmt.Errorf("mvn: %w: install Maven, as Debian's maven", ErrMissing)
	}
	dir, err := os.MkdirTemp("", "changetrail-mvn-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(file, []byte(pom), 0o644); err != nil {
		return err
	}
	args = append([]string{
		"-B", "-q", "-f", file,
		"org.apache.maven.plugins:maven-dependency-plugin:" + pluginVersion + ":" + goal,
	}, args...)
	for try := 1; ; try++ {
		out, err := exec.Command("mvn", args...).CombinedOutput()
		if err == nil {
			return nil
		}
		if try == 3 {
			return fmt.Errorf("mvn %s: %w\n%s", goal, err, out)
		}
		time.Sleep(time.Duration(try) * 5 * time.Second)
	}
}

const emptyPOM = `<project><modelVersion>4.0.0</modelVersion><groupId>dev.changetrail</groupId><artifactId>fetch</artifactId><version>1</version><packaging>pom</packaging></project>`
