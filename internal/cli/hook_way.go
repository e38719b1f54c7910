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

// A way leads to where sessions go.
type way struct {
	producer *producer.Producer
	files    blobs.Receiver // nil where there is no place for them
	former   string         // the gateway or the brokers, where today's settings say others
	close    func()
}

// way returns the way of a session, by what the settings said when it began.
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

// files is where files go; nil where they stay.
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

// toward returns the settings of a session. Where they lead elsewhere than today's, no
// secret of today's goes there, and former says where that is.
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

// explain says of what went wrong on a way of former settings why no token went along.
func (w *way) explain(err error) error {
	if err == nil || w.former == "" {
		return err
	}
	return fmt.Errorf("%w; it goes to %s, which was set when the session began, without the token of what is set now: give that gateway and its token in the environment to send it", err, w.former)
}

// close closes all ways.
func (f *flushing) close(ctx context.Context) {
	for _, w := range f.ways {
		_ = w.producer.Close(ctx) // there is no spool
		w.close()
	}
}
