package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/agents/notes"
	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/internal/noting"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/producer"
)

// A way is a connection to an address to which sessions are sent.
type way struct {
	producer *producer.Producer
	files    blobs.Receiver // nil if files cannot be stored
	former   string         // the gateway or brokers, if the settings name others now
	close    func()
}

// way returns the way for a session by the settings when it began.
func (f *flushing) way(ctx context.Context, to notes.Begun) (*way, error) {
	there, former := f.settings.toward(to)
	key, err := json.Marshal([]any{there.Producer.Gateway, there.Kafka.Brokers, there.Kafka.Prefix, there.Blobs})
	if err != nil {
		return nil, err
	}
	if w, ok := f.ways[string(key)]; ok {
		return w, nil
	}
	w := &way{former: former, close: func() {}}
	transport, err := there.transport(producer.Structured)
	if err != nil {
		return nil, err
	}
	redactor, err := there.redactor(signing.Keys{})
	if err != nil {
		return nil, err
	}
	if w.files, err = there.files(ctx, w); err != nil {
		return nil, err
	}
	if w.producer, err = producer.New(transport, producer.Options{Source: there.Producer.Source, Redactor: redactor}); err != nil {
		w.close()
		return nil, err
	}
	f.ways[string(key)] = w
	return w, nil
}

// files returns where files are stored; nil if they are not uploaded.
func (s *Settings) files(ctx context.Context, w *way) (blobs.Receiver, error) {
	if s.Producer.Gateway != "" {
		token, err := s.Secret("producer.token")
		return producer.HTTPBlobs(producer.HTTPConfig{URL: s.Producer.Gateway, Token: token}), err
	}
	store, err := s.blobStore(ctx)
	if err != nil || store == nil {
		return nil, err
	}
	w.close = func() { _ = store.Close() }
	return store, nil
}

// toward returns the settings for a session. If they lead to another address than the current
// settings, they have none of the current secrets, and former is that address.
func (s *Settings) toward(to notes.Begun) (there *Settings, former string) {
	now := noting.Begun(&s.Config)
	if !to.Somewhere() || sameGateway(to.Gateway, now.Gateway) && (to.Gateway != "" || slices.Equal(to.Brokers, now.Brokers) && to.Prefix == now.Prefix && to.Blobs == now.Blobs) {
		return s, ""
	}
	other := *s
	other.Producer.Gateway, other.Producer.Token, other.Producer.TokenFile, other.Blobs = to.Gateway, "", "", to.Blobs
	if to.Gateway != "" {
		return &other, to.Gateway
	}
	other.Kafka.Brokers, other.Kafka.Prefix = to.Brokers, to.Prefix
	if !slices.Equal(to.Brokers, s.Kafka.Brokers) {
		other.Kafka.SASL.Mechanism, other.Kafka.SASL.User, other.Kafka.SASL.Password, other.Kafka.SASL.PasswordFile = "", "", "", ""
		other.Kafka.TLS.CertFile, other.Kafka.TLS.KeyFile = "", ""
	}
	return &other, strings.Join(to.Brokers, ",")
}

func sameGateway(a, b string) bool { return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") }

// explain adds to an error on a former way why no token was sent.
func (w *way) explain(err error) error {
	if err == nil || w.former == "" {
		return err
	}
	return fmt.Errorf("%w; the session is sent to %s, which was configured when it began, without the token that is configured now; to send it, give that gateway and its token in the environment", err, w.former)
}

// close closes all ways.
func (f *flushing) close(ctx context.Context) {
	for _, w := range f.ways {
		_ = w.producer.Close(ctx) // there is no spool
		w.close()
	}
}
