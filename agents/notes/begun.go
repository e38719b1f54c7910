package notes

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/files"
)

// Begun is what the settings said when a session began. It goes there however they change
// later: what is noted of one project must not be led elsewhere from another. It holds no
// secret.
type Begun struct {
	Gateway string   `json:"gateway,omitempty"` // URL
	Brokers []string `json:"brokers,omitempty"` // of Kafka, where there is no gateway
	Prefix  string   `json:"prefix,omitempty"`  // of the topics in Kafka
	Blobs   string   `json:"blobs,omitempty"`   // where files go, beside Kafka
	Agent   string   `json:"agent,omitempty"`
	LogsURL string   `json:"logs_url,omitempty"`
}

// Somewhere reports whether it says where a session goes. Where it does not, nothing was
// set when it began, and the session goes to what is set when it is sent.
func (b Begun) Somewhere() bool { return b.Gateway != "" || len(b.Brokers) > 0 }

const begunSuffix = ".begun"

// begin notes at the first line of a session what the settings say.
func (l Log) begin(session string) error {
	if _, err := os.Lstat(l.path(session, ".jsonl")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return l.Begun.write(l.path(session, begunSuffix))
}

// write writes it, unless it is written already: hooks run side by side, and a session
// may get more reports after it was sent.
func (b Begun) write(file string) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(file); err == nil {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".begun-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Link(f.Name(), file)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		err = nil
	case err != nil: // a file system without links
		return os.Rename(f.Name(), file)
	}
	return errors.Join(err, os.Remove(f.Name()))
}

// maxBegun bounds a note, in bytes.
const maxBegun = 64 << 10

// begun reads a note. A session that a former version noted has none.
func (l Log) begun(file string) (b Begun, err error) {
	text, err := files.Read(file, maxBegun)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	return b, err
}
