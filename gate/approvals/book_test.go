package approvals

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changetrail/changetrail/internal/capture"
	"github.com/changetrail/changetrail/internal/kafkatest"
	"github.com/changetrail/changetrail/internal/signing"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/stream"
)

var (
	topics = stream.Topics{Prefix: "t"}
	keys   = signing.Of([]byte("the key of the gateways"))
)

const repository = record.Repository("github.com/acme/shop")

func grantOf(id string, uses int) Grant {
	return Grant{
		ID: id, Person: "ben", Agent: "fixer", Repository: repository, Scope: []string{"payments"}, Uses: uses,
		Until: time.Now().Add(time.Hour), Reason: "the fix of the rounding",
	}
}

func open(t *testing.T, kafka stream.Config, k signing.Keys, log *slog.Logger) *Book {
	t.Helper()
	b, err := Open(kafka, topics, k, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return b
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestAnAnswerSaysWhenItWasAskedFor: so that it is known how long an agent waited.
func TestAnAnswerSaysWhenItWasAskedFor(t *testing.T) {
	kafka, _ := kafkatest.Pipeline(t, 1, topics)
	b := open(t, kafka, keys, silent())
	if err := b.Ask(t.Context(), Request{ID: "q1", Agent: "fixer", Repository: repository}); err != nil {
		t.Fatal(err)
	}
	asked := b.Requests(time.Now())[0].At
	for id, want := range map[string]time.Time{"q1": asked, "": {}, "q2": {}} {
		g := grantOf("g"+id, 1)
		g.Request = id
		if s, err := b.Grant(t.Context(), g); err != nil || !s.Asked.Equal(want) {
			t.Errorf("the answer to %q: asked at %s, want %s: %v", id, s.Asked, want, err)
		}
	}
}

// TestABookIsWhatAnotherWrote: two processes write and read one topic.
func TestABookIsWhatAnotherWrote(t *testing.T) {
	kafka, _ := kafkatest.Pipeline(t, 1, topics)
	one, two := open(t, kafka, keys, silent()), open(t, kafka, keys, silent())
	s, err := one.Grant(t.Context(), grantOf("g1", 1))
	if err != nil || s.Status != InForce || s.At.IsZero() {
		t.Fatalf("%+v %v", s, err)
	}
	if again, err := two.Grant(t.Context(), s.Grant); err != nil || len(two.Grants(time.Now())) != 1 || !again.At.Equal(s.At) {
		t.Errorf("the same grant again: %+v %v", again, err)
	}
	other := grantOf("g1", 7)
	if _, err := two.Grant(t.Context(), other); !errors.Is(err, ErrTaken) {
		t.Errorf("another grant with its id: %v", err)
	}
	for _, c := range []struct {
		by     *Book
		change record.ChangeID
		counts bool
	}{{two, "github.com/acme/shop/pull/1", true}, {one, "github.com/acme/shop/pull/2", false}, {one, "github.com/acme/shop/pull/1", true}} {
		if counts, err := c.by.Use(t.Context(), Use{"g1", c.change}); err != nil || counts != c.counts {
			t.Errorf("%s: %v %v", c.change, counts, err)
		}
	}
	if s := one.Grants(time.Now())[0]; s.Status != UsedUp || !slices.Equal(s.UsedBy, []record.ChangeID{"github.com/acme/shop/pull/1"}) {
		t.Errorf("%+v", s)
	}
	if _, err := two.Revoke(t.Context(), Revocation{ID: "r", Grant: "g2", Person: "ben"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("a revocation of nothing: %v", err)
	}
	for _, reason := range []string{"a mistake", "another one"} {
		if s, err := two.Revoke(t.Context(), Revocation{ID: "r " + reason, Grant: "g1", Person: "cleo", Reason: reason}); err != nil || s.Status != Revoked || s.Revocation.Reason != "a mistake" {
			t.Errorf("%s: %+v %v", reason, s, err)
		}
	}
	if err := one.CatchUp(t.Context()); err != nil || one.Grants(time.Now())[0].Status != Revoked || len(one.UsedBy("github.com/acme/shop/pull/1", time.Now())) != 1 {
		t.Errorf("%+v %v", one.Grants(time.Now()), err)
	}
}

func TestARequestWaitsUntilItIsAnswered(t *testing.T) {
	kafka, _ := kafkatest.Pipeline(t, 1, topics)
	b := open(t, kafka, keys, silent())
	for _, id := range []string{"a", "b", "a", "c"} {
		if err := b.Ask(t.Context(), Request{ID: id, Agent: "fixer", Repository: repository, Services: []string{"payments"}}); err != nil {
			t.Fatal(err)
		}
	}
	waiting := func(now time.Time) (ids string) {
		for _, r := range b.Requests(now) {
			ids += r.ID
		}
		return ids
	}
	if got := waiting(time.Now()); got != "abc" {
		t.Errorf("waiting: %s", got)
	}
	answer := grantOf("g", 1)
	answer.Request = "b"
	if _, err := b.Grant(t.Context(), answer); err != nil {
		t.Fatal(err)
	}
	if err := b.Refuse(t.Context(), Refusal{ID: "no", Request: "a", Person: "ben", Reason: "not today"}); err != nil {
		t.Fatal(err)
	}
	if err := b.Refuse(t.Context(), Refusal{ID: "no", Request: "x", Person: "ben", Reason: "not today"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("a request that nobody made: %v", err)
	}
	if got := waiting(time.Now()); got != "c" {
		t.Errorf("after the answers: %s", got)
	}
	if got := waiting(time.Now().Add(requestLasts + time.Minute)); got != "" {
		t.Errorf("after a long time: %s", got)
	}
}

// TestWhoeverHasNoKeyWritesNothing: what a foreigner writes, unsigned or signed with another key,
// copied from another topic or cut, counts for nothing and is reported. What cannot be read although
// it is signed stops the book: it may be a revocation.
func TestWhoeverHasNoKeyWritesNothing(t *testing.T) {
	kafka, w := kafkatest.Pipeline(t, 1, topics)
	var said capture.Output
	b := open(t, kafka, keys, slog.New(slog.NewTextHandler(&said, nil)))
	if _, err := b.Grant(t.Context(), grantOf("g1", 0)); err != nil {
		t.Fatal(err)
	}
	text := []byte(`{"grant":{"id":"g2","person":"ben","agent":"fixer","repository":"github.com/acme/shop","scope":["payments"],"until":"2100-01-01T00:00:00Z","reason":"x"}}`)
	write := func(value []byte, signature []byte) {
		t.Helper()
		r := &stream.Record{Topic: topics.Approvals(), Key: []byte("x"), Value: value}
		if signature != nil {
			stream.AddHeader(r, stream.HeaderSignature, signature)
		}
		if err := w.Append(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	foreigners := [][]byte{nil, {}, []byte("x:y"), sign(signing.Of([]byte("the key of somebody else")), topics.Approvals(), text), sign(keys, "t.other", text), sign(keys, topics.Approvals(), text[1:])}
	for _, signature := range foreigners {
		write(text, signature)
	}
	write(nil, nil) // would delete an older message in a topic that is compacted
	if err := b.CatchUp(t.Context()); err != nil || len(b.Grants(time.Now())) != 1 || b.Foreign() != len(foreigners)+1 {
		t.Errorf("%+v %d %v", b.Grants(time.Now()), b.Foreign(), err)
	}
	if !strings.Contains(said.String(), "counts for nothing") {
		t.Errorf("the log says %s", said.String())
	}
	if all, foreign, err := Inspect(t.Context(), kafka, topics, keys); err != nil || all != len(foreigners)+2 || foreign != len(foreigners)+1 {
		t.Errorf("%d entries, %d foreign, %v", all, foreign, err)
	}
	newer := []byte(`{"suspension":{"grant":"g1"}}`)
	write(newer, sign(keys, topics.Approvals(), newer))
	if err := b.CatchUp(t.Context()); err == nil || !strings.Contains(err.Error(), "t.approvals/0@8") || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("an entry that cannot be read: %v", err)
	}
	if _, _, err := Inspect(t.Context(), kafka, topics, keys); err == nil || !strings.Contains(err.Error(), "t.approvals/0@8") {
		t.Errorf("an entry that cannot be read: %v", err)
	}
}
