package notes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofrs/flock"

	"github.com/changetrail/changetrail/agents/product"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/files"
)

// A Log is the folder that keeps sessions until they are sent.
//
// [Name] returns the name of a session's files.
//
//	<session>.jsonl           a Line for each hook
//	<session>.begun           its destination, as [Begun], written with its first line
//	<session>.sent            how many lines were sent
//	<session>.seals           a Seal for each commit
//	sealed/<digest>           the content of a Seal, until it is sent
//	sealed/<digest>.begun     where that goes
//	aside/<session>.jsonl     events that nobody takes, one a line, as publish reads them
//	aside/<session>.lines     lines that cannot be read
type Log struct {
	Dir string
	// Redact removes secrets from a hook before it is written. If it is nil, the hook is written
	// unchanged.
	Redact func(ctx context.Context, hook []byte) ([]byte, error)
	Begun  Begun // destination of sessions that begin now
}

// A Line is the input of one hook.
type Line struct {
	At   time.Time      `json:"at"`
	Kind string         `json:"kind"` // claude-code or codex
	Git  Git            `json:"git,omitzero"`
	Hook jsontext.Value `json:"hook"`
	// Asked is the digest of the prompt as the person wrote it. A decision names the prompt by it.
	Asked string `json:"asked,omitempty"`
}

// A Session is one run of an agent.
type Session struct {
	ID    string // name of its files
	Begun Begun
	Lines []Line
	Sent  int
	Seals []Seal
	// Broken are the indexes of lines that cannot be read, for example after a full disk.
	Broken map[int][]byte
}

// A Seal is the state of a log when a commit was made.
type Seal struct {
	Lines  int    `json:"lines"`
	Digest string `json:"digest"` // of the log up to then
}

// maxHook is the largest input of a hook that is kept unchanged, in bytes: the result of a tool may
// have several MB.
const maxHook = 32 << 20

// Append writes the input of a hook to the log, without its secrets, and returns it unchanged. It
// makes one write.
func (l Log) Append(ctx context.Context, kind string, input []byte, at time.Time) (*Input, error) {
	in, err := ReadInput(input)
	if err != nil {
		return nil, err
	}
	if len(input) > maxHook {
		if input, err = shortened(input); err != nil {
			return nil, err
		}
	}
	noted := Line{At: at.UTC(), Kind: kind, Git: Look(in.Cwd), Hook: input}
	if l.Redact != nil {
		if noted.Hook, err = l.Redact(ctx, input); err != nil {
			return nil, err
		}
		if in.Prompt != "" && !bytes.Equal(noted.Hook, input) {
			noted.Asked = digests.Of([]byte(in.Prompt))
		}
	}
	line, err := json.Marshal(noted, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, err
	}
	if bytes.ContainsAny(line, "\n\r") { // white space of the agent
		v := jsontext.Value(line)
		if err := v.Compact(jsontext.AllowInvalidUTF8(true)); err != nil {
			return nil, err
		}
		line = v
	}
	if err := files.Private(l.Dir); err != nil {
		return nil, err
	}
	if err := l.begin(Name(in.Session)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(l.path(Name(in.Session), ".jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(append(line, '\n')) // one write: hooks run at the same time
	return in, errors.Join(err, f.Close())
}

// shortened returns a hook with each long member replaced by its size and digest, so that the log
// still shows that the call was made.
func shortened(input []byte) ([]byte, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(input, &members, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, err
	}
	for name, v := range members {
		if len(v) <= product.MaxContent {
			continue
		}
		short := jsontext.Value(product.Bounded(v))
		switch v.Kind() {
		case '"': // it is read as a text
			short, _ = jsontext.AppendQuote(nil, string(short)) // of plain JSON: cannot fail
		case '[':
			short = slices.Concat([]byte("["), short, []byte("]"))
		}
		members[name] = short
	}
	return json.Marshal(members, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
}

// Name returns the name of the files of a session. The id of a session comes from the agent: an id
// that cannot be a file name, or that some file systems confuse with another one, is replaced by a
// name with a dot and its digest. No other name contains a dot.
func Name(session string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, session)
	if clean == session && len(clean) <= maxName {
		return clean
	}
	return clean[:min(len(clean), maxName)] + "." + strings.TrimPrefix(digests.Of([]byte(session)), "sha256:")[:32]
}

// maxName is the maximum length of a name, without the suffix of the file.
const maxName = 100

// path returns the path of a file of a session.
func (l Log) path(name, suffix string) string { return filepath.Join(l.Dir, name+suffix) }

// Sessions returns the names of the sessions that are kept.
func (l Log) Sessions() ([]string, error) {
	entries, err := os.ReadDir(l.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".jsonl"); ok {
			out = append(out, name)
		}
	}
	return out, err
}

// Read reads a session by its name. A line that is cut off, by a crash, is not read yet.
func (l Log) Read(session string) (*Session, error) {
	text, err := os.ReadFile(l.path(session, ".jsonl"))
	if err != nil {
		return nil, err
	}
	s := &Session{ID: session, Broken: make(map[int][]byte)}
	if s.Begun, err = l.begun(l.path(session, begunSuffix)); err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var v Line
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		err := json.Unmarshal(line, &v, jsontext.AllowInvalidUTF8(true))
		if err == nil {
			_, err = ReadInput(v.Hook)
		}
		if err != nil {
			s.Broken[len(s.Lines)], v = line, Line{}
		}
		s.Lines = append(s.Lines, v)
	}
	if sent, err := os.ReadFile(l.path(session, ".sent")); err == nil {
		s.Sent, _ = strconv.Atoi(strings.TrimSpace(string(sent))) // otherwise all is sent again, which is harmless
	}
	seals, err := os.Open(l.path(session, ".seals"))
	if err != nil {
		return s, nil
	}
	defer seals.Close()
	for lines := bufio.NewScanner(seals); lines.Scan(); {
		var seal Seal
		if json.Unmarshal(lines.Bytes(), &seal) == nil {
			s.Seals = append(s.Seals, seal)
		}
	}
	return s, nil
}

// Done records that the first n lines of a session were sent. over says that the session has ended,
// so that its files may be deleted.
func (l Log) Done(session string, n int, over bool) error {
	if over {
		return errors.Join(os.Remove(l.path(session, ".jsonl")), remove(l.path(session, ".sent")), remove(l.path(session, ".seals")), remove(l.path(session, begunSuffix)))
	}
	part := l.path(session, ".sent.part")
	return errors.Join(os.WriteFile(part, []byte(strconv.Itoa(n)), 0o600), os.Rename(part, l.path(session, ".sent")))
}

func remove(file string) error {
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// SetAside moves what cannot be sent to where it does not block the rest, and returns the file,
// and whether the line is new there.
func (l Log) SetAside(session, suffix string, line []byte) (file string, fresh bool, err error) {
	aside := Log{Dir: filepath.Join(l.Dir, "aside")}
	if err := files.Private(aside.Dir); err != nil {
		return "", false, err
	}
	file = aside.path(session, suffix)
	line = append(bytes.TrimRight(line, "\n"), '\n')
	if there, err := os.ReadFile(file); err == nil && bytes.Contains(append([]byte("\n"), there...), append([]byte("\n"), line...)) {
		return file, false, nil // the session is sent again
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return file, false, err
	}
	_, err = f.Write(line)
	return file, true, errors.Join(err, f.Sync(), f.Close())
}

// Expire deletes the sessions and seals to which nothing was added since a time, whether
// they are sent or not, and returns the names of those that were not.
func (l Log) Expire(since time.Time) (lost []string, err error) {
	names, err := l.Sessions()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		info, err := os.Stat(l.path(name, ".jsonl"))
		if err != nil || !info.ModTime().Before(since) {
			continue
		}
		if s, err := l.Read(name); err != nil || len(s.Lines) > s.Sent {
			lost = append(lost, name)
		}
		if err := l.Done(name, 0, true); err != nil {
			return lost, err
		}
	}
	seals, err := os.ReadDir(filepath.Join(l.Dir, "sealed"))
	if errors.Is(err, fs.ErrNotExist) {
		return lost, nil
	}
	for _, e := range seals {
		file := filepath.Join(l.Dir, "sealed", e.Name())
		if info, err := e.Info(); err == nil && info.ModTime().Before(since) && !strings.HasSuffix(file, begunSuffix) { // its destination is deleted with it
			if err := errors.Join(remove(file), remove(file+begunSuffix)); err != nil {
				return lost, err
			}
		}
	}
	return lost, err
}

// Seal keeps a copy of the current log of a session. A commit states the digest of the copy.
func (l Log) Seal(session string, lines int, content []byte) (digest string, err error) {
	seal := Seal{lines, digests.Of(content)}
	dir := filepath.Join(l.Dir, "sealed")
	if err := files.Private(dir); err != nil {
		return "", err
	}
	file := filepath.Join(dir, strings.ReplaceAll(seal.Digest, ":", "-"))
	to, err := l.begun(l.path(session, begunSuffix))
	if err == nil {
		err = to.write(file + begunSuffix)
	}
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return "", err
	}
	return seal.Digest, l.addSeal(session, seal)
}

// Sealed calls f for each sealed content that was not sent yet, with its destination, and deletes
// what f accepted. What f did not accept is kept, and does not block the rest.
func (l Log) Sealed(f func(content io.Reader, to Begun) (taken bool, err error)) error {
	dir := filepath.Join(l.Dir, "sealed")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var errs []error
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), begunSuffix) {
			continue
		}
		file := filepath.Join(dir, e.Name())
		taken, err := l.process(file, f)
		if err == nil && taken {
			err = errors.Join(os.Remove(file), remove(file+begunSuffix))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		}
	}
	return errors.Join(errs...)
}

// process calls f with one sealed content.
func (l Log) process(file string, f func(content io.Reader, to Begun) (taken bool, err error)) (taken bool, err error) {
	to, err := l.begun(file + begunSuffix)
	if err != nil {
		return false, err
	}
	content, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer func() { _ = content.Close() }() // it was only read
	return f(content, to)
}

func (l Log) addSeal(session string, seal Seal) error {
	line, err := json.Marshal(seal)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(l.path(session, ".seals"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// Lock makes this process the only one that sends. It returns false if another process sends.
func (l Log) Lock() (unlock func(), ok bool, err error) {
	if err := files.Private(l.Dir); err != nil {
		return nil, false, err
	}
	lock := flock.New(filepath.Join(l.Dir, "lock"))
	ok, err = lock.TryLock()
	return func() { _ = lock.Unlock() }, ok, err
}

// Complain records an error of a hook. The hook must not print it, because the agent would read it.
func (l Log) Complain(at time.Time, err error) {
	if files.Private(l.Dir) != nil {
		return
	}
	f, open := os.OpenFile(l.Errors(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if open != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %v\n", at.UTC().Format(time.RFC3339), err)
}

// Errors returns the path of the file of errors.
func (l Log) Errors() string { return filepath.Join(l.Dir, "errors.log") }
