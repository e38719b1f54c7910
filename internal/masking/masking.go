package masking

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
	"github.com/changetrail/changetrail/stream"
)

// Rules find secrets ([secrets.Redactor] does).
type Rules interface {
	Text(ctx context.Context, text string) (string, []string, error)
	JSON(ctx context.Context, data []byte, verbatim func(path []string) bool) ([]byte, []string, error)
	Attribute(ctx context.Context, name, value string) (string, []string, error)
	File(ctx context.Context, file []byte) ([]byte, []string, error)
}

// A Finding says where a secret is, but not what it is.
type Finding struct {
	Kind   string   `json:"kind"`             // event, file or document
	Where  string   `json:"where"`            // topic/partition/offset, the store of files, or the index
	Digest string   `json:"digest,omitempty"` // of the data or the file
	About  string   `json:"about,omitempty"`  // the change, or the repository
	Rules  []string `json:"rules"`
}

// A Masker makes copies without secrets. It must not be used by several goroutines at once. It must
// see all events once before any copy is used: only events say which files are their data.
type Masker struct {
	Rules Rules
	Blobs blobs.Getter // may be nil
	Keys  signing.Keys // to sign events with
	By    string       // who masks
	At    time.Time
	Found func(Finding) // called with each secret; may be nil

	data  map[string]string // files that are data of events, and their types
	after map[string]string // digests of files, and those of their copies
}

// ErrNoKey reports a signed event that cannot be signed again.
var ErrNoKey = errors.New("a signed event has to be changed, but no key can sign its copy: set signing_key, otherwise the copy would prove nothing")

// File returns a file without secrets: the file itself if it contains none.
func (m *Masker) File(ctx context.Context, digest string, file []byte) ([]byte, error) {
	if kind, is := m.data[digest]; is {
		out, _, err := m.content(ctx, kind, schemas.ContentTypeJSON, file)
		return out, err // it is reported with its event
	}
	out, rules, err := m.Rules.File(ctx, file)
	if err == nil && len(rules) > 0 {
		m.found(Finding{Kind: "file", Where: "blobs", Digest: digest, Rules: rules})
	}
	return out, err
}

func (m *Masker) found(f Finding) {
	if m.Found != nil {
		f.Rules = slices.Compact(slices.Sorted(slices.Values(f.Rules)))
		m.Found(f)
	}
}

// Event returns an event without secrets: r itself if it contains none.
func (m *Masker) Event(ctx context.Context, r *stream.Record) (*stream.Record, error) {
	env, err := schemas.Open(stream.Message(r))
	if err != nil {
		return m.unread(ctx, r)
	}
	before := env
	data, err := m.fetch(ctx, &before)
	if err != nil {
		return nil, err
	}
	masked, rules, err := m.content(ctx, env.Type, env.DataContentType, data)
	if err != nil {
		return nil, err
	}
	more, err := m.attributes(ctx, &env, r)
	if err != nil {
		return nil, err
	}
	rules = append(rules, more...)
	if len(rules) == 0 && bytes.Equal(masked, data) {
		return r, nil
	}
	rules = slices.Compact(slices.Sorted(slices.Values(rules)))
	if len(rules) > 0 {
		m.found(Finding{Kind: "event", Where: place(r), Digest: digests.Of(data), About: cmp.Or(env.Subject, env.PartitionKey, string(r.Key)), Rules: rules})
	}
	env.MaskedAfter = record.Masking{At: m.At, By: m.By, Rules: rules, Was: digests.Of(data), Is: digests.Of(masked)}.String()
	if env.DataRef != "" {
		env.DataRef, env.Data = digests.Of(masked), nil
	} else {
		env.Data = masked
	}
	return m.written(r, before, env)
}

func place(r *stream.Record) string {
	return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)
}

// fetch returns the data of an event, from the event or from a file, and remembers which file that
// is.
func (m *Masker) fetch(ctx context.Context, env *schemas.Envelope) ([]byte, error) {
	if len(env.Data) > 0 || m.Blobs == nil || !digests.Is(env.DataRef) {
		return env.Data, nil
	}
	data, err := m.Blobs.Get(ctx, env.DataRef)
	if errors.Is(err, blobs.ErrNotFound) || errors.Is(err, blobs.ErrCorrupt) {
		return nil, nil // it is a dead letter, before and after
	}
	if err != nil {
		return nil, err
	}
	if m.data == nil {
		m.data = make(map[string]string)
	}
	m.data[env.DataRef] = env.Type
	return data, nil
}

// content returns the data of an event of a type without secrets, with the new digests of files.
func (m *Masker) content(ctx context.Context, kind, media string, data []byte) (out []byte, rules []string, err error) {
	if len(data) == 0 {
		return data, nil, nil
	}
	out, rules, err = m.report(ctx, kind, data)
	if err != nil {
		return nil, nil, err
	}
	out, more, err := schemas.Redact(ctx, m.Rules, media, out)
	if err != nil {
		return nil, nil, err
	}
	out, err = m.renamed(ctx, out)
	return out, append(rules, more...), err
}

var digest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// renamed returns data in which files have the digests of their copies.
func (m *Masker) renamed(ctx context.Context, data []byte) (out []byte, err error) {
	if m.Blobs == nil && len(m.after) == 0 || !digest.Match(data) {
		return data, nil
	}
	out = digest.ReplaceAllFunc(data, func(name []byte) []byte {
		now, failed := m.called(ctx, string(name))
		err = errors.Join(err, failed)
		return []byte(now)
	})
	return out, err
}

// called returns the current digest of a file.
func (m *Masker) called(ctx context.Context, digest string) (string, error) {
	if now, known := m.after[digest]; known {
		return now, nil
	}
	now := digest
	if _, data := m.data[digest]; m.Blobs != nil && !data {
		file, err := m.Blobs.Get(ctx, digest)
		switch {
		case errors.Is(err, blobs.ErrNotFound) || errors.Is(err, blobs.ErrCorrupt):
		case err != nil:
			return "", err
		default:
			out, _, err := m.Rules.File(ctx, file)
			if err != nil {
				return "", err
			}
			now = digests.Of(out)
		}
	}
	m.note(digest, now)
	return now, nil
}

func (m *Masker) note(digest, now string) {
	if m.after == nil {
		m.after = make(map[string]string)
	}
	m.after[digest] = now
}

// unread masks a message that is not an event; it is a dead letter before and after.
func (m *Masker) unread(ctx context.Context, r *stream.Record) (*stream.Record, error) {
	value, rules, err := m.Rules.File(ctx, r.Value)
	if err != nil || len(rules) == 0 {
		return r, err
	}
	m.found(Finding{Kind: "event", Where: place(r), Digest: digests.Of(r.Value), About: string(r.Key), Rules: rules})
	out := *r
	out.Value = value
	return &out, nil
}

// attributes masks the id, the source and the subject of an event, and its other attributes.
func (m *Masker) attributes(ctx context.Context, env *schemas.Envelope, r *stream.Record) (rules []string, err error) {
	for _, a := range []struct {
		name  string
		value *string
	}{{"id", &env.ID}, {"source", &env.Source}, {"subject", &env.Subject}, {"partitionkey", &env.PartitionKey}, {"tracestate", &env.TraceState}, {"sequence", &env.Sequence}} {
		if *a.value == "" {
			continue
		}
		out, found, err := m.Rules.Attribute(ctx, a.name, *a.value)
		if err != nil {
			return nil, err
		}
		*a.value, rules = out, append(rules, found...)
	}
	for name, value := range others(env, r) {
		_, found, err := m.Rules.Attribute(ctx, name, value)
		if err != nil {
			return nil, err
		}
		rules = append(rules, found...)
	}
	return rules, nil
}

// others returns the attributes that nobody reads; copies do not have them.
func others(env *schemas.Envelope, r *stream.Record) map[string]string {
	known := map[string]bool{"data": true, "data_base64": true, "specversion": true, "datacontenttype": true}
	for name := range env.Attributes {
		known[strings.TrimPrefix(name, "ce_")] = true
	}
	out := make(map[string]string)
	for _, h := range r.Headers {
		if name, is := strings.CutPrefix(h.Key, "ce_"); is && !known[name] {
			out[name] = string(h.Value)
		}
	}
	var members map[string]jsontext.Value
	if stream.Header(r, "ce_id") != nil || json.Unmarshal(r.Value, &members, jsontext.AllowInvalidUTF8(true)) != nil {
		return out
	}
	for name, v := range members {
		if !known[name] {
			out[name] = string(v)
		}
	}
	return out
}
