package history

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // Git names its objects so
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/audit/reconcile"
	"github.com/changetrail/changetrail/internal/gitfolder"
	"github.com/changetrail/changetrail/record"
)

// Limits of what is read of a clone.
const (
	maxCommits = 5_000_000
	maxCommit  = 64 << 20 // bytes of a commit
	maxMessage = 1 << 20  // bytes of a commit that are kept while it is read
)

// A reader asks git for objects.
type reader struct {
	ctx     context.Context
	dir     string
	objects string
}

func newReader(ctx context.Context, folder gitfolder.Folder, tip string) (*reader, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, errors.New("the program git is not installed; it reads the objects of a clone. Install it, or compare with an export (--github, --gitlab)")
	}
	objects, err := filepath.Abs(folder.Objects())
	if err != nil {
		return nil, err
	}
	dir, err := emptyRepository(tip)
	return &reader{ctx, dir, objects}, err
}

func (r *reader) close() { _ = os.RemoveAll(r.dir) } // nothing of value

// A session is a running git cat-file.
type session struct {
	cmd  *exec.Cmd
	in   *bufio.Writer
	pipe io.WriteCloser
	out  *bufio.Reader
	said bytes.Buffer
}

func (r *reader) start(mode string) (*session, error) {
	s := new(session)
	s.cmd = exec.CommandContext(r.ctx, "git", "--no-pager", "--git-dir="+r.dir, "-c", "core.commitGraph=false", "cat-file", mode)
	s.cmd.Dir = r.dir
	s.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "LC_ALL=C", "SYSTEMROOT=" + os.Getenv("SYSTEMROOT"),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_OBJECT_DIRECTORY=" + r.objects,
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0",
	}
	s.cmd.Stderr = &bounded{to: &s.said}
	s.cmd.WaitDelay = time.Second
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if s.pipe, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	s.in, s.out = bufio.NewWriter(s.pipe), bufio.NewReaderSize(out, 1<<20)
	return s, s.cmd.Start()
}

// bounded keeps the beginning of what a program says.
type bounded struct{ to *bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	b.to.Write(p[:min(len(p), max(0, 4096-b.to.Len()))])
	return len(p), nil
}

// end ends the session, and says why it failed if it did.
func (s *session) end(err error) error {
	_ = s.pipe.Close()
	if err != nil {
		_ = s.cmd.Process.Kill() // it may wait to write
	}
	if failed := s.cmd.Wait(); err == nil && failed != nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("git cat-file ended early: %w: %s", errors.Join(err, failed), bytes.TrimSpace(s.said.Bytes()))
	}
	return err
}

// ask writes a question and returns the id, type and size of the object; kind is missing or
// ambiguous if there is none.
func (s *session) ask(name string) (id, kind string, size int64, err error) {
	_, err = s.in.WriteString(name + "\n")
	if err = errors.Join(err, s.in.Flush()); err != nil {
		return "", "", 0, err
	}
	line, err := s.out.ReadString('\n')
	if err != nil {
		return "", "", 0, err
	}
	words := strings.Fields(line)
	switch len(words) {
	case 2:
		return words[0], words[1], 0, nil
	case 3:
		size, err = strconv.ParseInt(words[2], 10, 64)
		return words[0], words[1], size, err
	}
	return "", "", 0, fmt.Errorf("git cat-file answered %q", line)
}

// existing returns the full ids of those of the named commits that the clone has.
func (r *reader) existing(names []string) (out []string, err error) {
	s, err := r.start("--batch-check")
	if err != nil {
		return nil, err
	}
	defer func() { err = s.end(err) }()
	for _, name := range names {
		if !record.IsCommit(name) {
			continue
		}
		id, kind, _, err := s.ask(name)
		if err != nil {
			return nil, err
		}
		if kind == "commit" {
			out = append(out, id)
		}
	}
	return out, nil
}

// walk reads commits and all of their ancestors. It leaves out those that the clone does not have.
func (r *reader) walk(from []string) (commits map[string]*reconcile.Commit, err error) {
	s, err := r.start("--batch")
	if err != nil {
		return nil, err
	}
	defer func() { err = s.end(err) }()
	commits = make(map[string]*reconcile.Commit)
	missing := make(map[string]bool)
	for todo := from; len(todo) > 0; {
		sha := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if commits[sha] != nil || missing[sha] {
			continue
		}
		if len(commits) == maxCommits {
			return nil, fmt.Errorf("there are more than %d commits", maxCommits)
		}
		c, err := s.commit(sha)
		if err != nil {
			return nil, err
		}
		if c == nil {
			missing[sha] = true
			continue
		}
		commits[sha] = c
		todo = append(todo, c.Parents...)
	}
	return commits, nil
}

// commit reads one commit; nil if it is missing.
func (s *session) commit(sha string) (*reconcile.Commit, error) {
	_, kind, size, err := s.ask(sha)
	if err != nil || kind == "missing" {
		return nil, err
	}
	if kind != "commit" || size > maxCommit {
		return nil, fmt.Errorf("the object %s is a %s of %d bytes, and a commit of at most %d bytes is expected", sha, kind, size, maxCommit)
	}
	h := hash.Hash(sha1.New()) //nolint:gosec // Git names its objects so
	if len(sha) == 64 {
		h = sha256.New()
	}
	fmt.Fprintf(h, "commit %d\x00", size)
	var text bytes.Buffer
	_, err = io.CopyN(io.MultiWriter(h, &text), s.out, min(size, maxMessage))
	if err == nil && size > maxMessage {
		_, err = io.CopyN(h, s.out, size-maxMessage)
	}
	if err == nil {
		_, err = s.out.Discard(1)
	}
	if err != nil {
		return nil, err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sha {
		return nil, fmt.Errorf("the commit %s was altered: its content has the id %s", sha, got)
	}
	return parseCommit(sha, text.String())
}

// parseCommit reads the text of a commit object.
func parseCommit(sha, text string) (*reconcile.Commit, error) {
	c := &reconcile.Commit{ID: sha}
	head, message, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "parent":
			if !record.IsCommit(value) || len(value) != len(sha) {
				return nil, fmt.Errorf("the commit %s has the parent %.80q, which is not an id", sha, value)
			}
			c.Parents = append(c.Parents, value)
		case "author":
			c.Author, c.AuthorMail, c.AuthoredAt = parsePerson(value)
		case "committer":
			c.Committer, c.CommitterMail, c.CommittedAt = parsePerson(value)
		}
	}
	c.Message = reconcile.ReadMessage(message)
	return c, nil
}

// parsePerson reads "NAME <MAIL> SECONDS ZONE".
func parsePerson(text string) (name, mail string, at time.Time) {
	name, rest, _ := strings.Cut(text, "<")
	mail, when, _ := strings.Cut(rest, ">")
	if words := strings.Fields(when); len(words) > 0 {
		if seconds, err := strconv.ParseInt(words[0], 10, 64); err == nil && seconds >= 0 && seconds < 1<<40 {
			at = time.Unix(seconds, 0).UTC()
		}
	}
	return strings.ToValidUTF8(strings.TrimSpace(name), "�"), strings.ToValidUTF8(mail, "�"), at
}
