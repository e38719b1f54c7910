// Package instances finds the embedded instances of changetrail that a user runs or ran: where
// their data is, and at which addresses they answer.
//
// An instance describes itself in a file in its data folder, and in a copy in the user's state
// folder, so that commands find it from any working directory.
package instances

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/embedded"
	"github.com/changetrail/changetrail/internal/files"
)

// FileName is the name of the file in a data folder.
const FileName = "instance.json"

// An Instance describes an instance that runs or ran.
type Instance struct {
	Data     string    `json:"data"` // the folder, an absolute path
	Command  string    `json:"command"`
	Process  int       `json:"process"`
	Started  time.Time `json:"started"`
	Page     string    `json:"page"`   // URL, of the gateway as well
	Broker   string    `json:"broker"` // address at which Kafka clients publish
	Policy   string    `json:"policy,omitempty"`
	Controls string    `json:"controls,omitempty"`
}

// Folder is the folder of a user's instances; "" if there is no state folder.
func Folder(getenv func(string) string) string {
	state := getenv("XDG_STATE_HOME")
	if home := getenv("HOME"); !filepath.IsAbs(state) && filepath.IsAbs(home) {
		state = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(state) {
		return ""
	}
	return filepath.Join(state, "changetrail", "instances")
}

// Write writes the description of an instance into its data folder and into the user's folder.
func (i Instance) Write(folder string) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(i.Data, FileName), text, files.PrivateFile)
	if folder == "" {
		return err
	}
	if err := os.MkdirAll(folder, files.PrivateFolder); err != nil {
		return err
	}
	name := sha256.Sum256([]byte(i.Data))
	return errors.Join(err, os.WriteFile(filepath.Join(folder, hex.EncodeToString(name[:8])+".json"), text, files.PrivateFile))
}

// In returns the instance with its data in a folder, with what it wrote about itself.
func In(data string) Instance {
	full, err := filepath.Abs(data)
	if err != nil {
		full = data
	}
	i := read(filepath.Join(full, FileName))
	i.Data = full // the folder may have been moved
	return i
}

// Known returns the instances of a user whose data still exists, the latest start first.
func Known(folder string) []Instance {
	entries, err := os.ReadDir(folder)
	if folder == "" || err != nil {
		return nil
	}
	var out []Instance
	for _, e := range entries {
		if i := read(filepath.Join(folder, e.Name())); i.Data != "" && read(filepath.Join(i.Data, FileName)).Data == i.Data {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b Instance) int { return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.Data, b.Data)) })
	return out
}

// maxFile bounds such a file, in bytes.
const maxFile = 64 << 10

func read(file string) (i Instance) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return Instance{}
	}
	text, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(text, &i) != nil {
		return Instance{}
	}
	return i
}

// Running reports whether the instance answers.
func (i Instance) Running(ctx context.Context) bool {
	conn, err := embedded.Dial(filepath.Join(i.Data, "broker"))(ctx, "tcp", "")
	if err != nil {
		return false
	}
	_ = conn.Close() // it answered
	return true
}

// ListensAt reports whether the instance says that it listens at an address.
func (i Instance) ListensAt(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && (strings.HasSuffix(strings.TrimSuffix(i.Page, "/"), ":"+port) || strings.HasSuffix(i.Broker, ":"+port))
}

// String describes the instance for messages.
func (i Instance) String() string {
	if i.Process == 0 {
		return "changetrail in " + i.Data
	}
	return fmt.Sprintf("changetrail %s (process %d, data in %s, started %s)", i.Command, i.Process, i.Data, i.Started.UTC().Format("2006-01-02 15:04Z"))
}

// Short is the path of the data folder relative to the working directory.
func (i Instance) Short(from string) string {
	if rel, err := filepath.Rel(from, i.Data); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return i.Data
}

// Exists reports whether a data folder contains an index.
func Exists(data, index string) bool {
	info, err := os.Stat(filepath.Join(data, index))
	return err == nil && info.Mode().IsRegular() || errors.Is(err, fs.ErrPermission)
}
