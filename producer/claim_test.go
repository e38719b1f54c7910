package producer

import (
	"bytes"
	"strings"
	"testing"

	"github.com/changetrail/changetrail/blobs"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

func TestLargeDataTravelsAsItsDigest(t *testing.T) {
	store, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	large := Event("acme/payments#1", &record.Action{Agent: agent, Tool: "edit", Result: record.RawJSON(`"` + strings.Repeat("x", 2*schemas.MaxEventSize) + `"`)})
	small := decision("small")

	transport := new(pretend)
	p, err := New(transport, Options{Source: "/agents/a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), large); err == nil || !strings.Contains(err.Error(), "with a blob store") {
		t.Errorf("without a store: %v", err)
	}
	if p, err = New(transport, Options{Source: "/agents/a", Blobs: store}); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), large, small); err != nil {
		t.Fatal(err)
	}
	sent := transport.events[0]
	ref, _ := sent.Extensions()["dataref"].(string)
	if got, err := store.Get(t.Context(), ref); err != nil || !bytes.Equal(got, large.Data()) || len(sent.Data()) != 0 {
		t.Errorf("dataref %q leads to %d bytes, %v; %d bytes travel", ref, len(got), err, len(sent.Data()))
	}
	if key := sent.Extensions()["partitionkey"]; key != "github.com/acme/payments" {
		t.Errorf("partitionkey is %v", key)
	}
	if _, there := transport.events[1].Extensions()["dataref"]; there || len(transport.events[1].Data()) == 0 {
		t.Error("small data travels by reference")
	}

	// An event whose data someone else has stored is passed on, if it says what it is about.
	sent.SetID("again")
	sent.SetExtension("partitionkey", nil)
	if err := p.Publish(t.Context(), sent); err != nil {
		t.Error(err)
	}
	sent.SetSubject("")
	if err := p.Publish(t.Context(), sent); err == nil || !strings.Contains(err.Error(), "subject or partitionkey") {
		t.Errorf("about nothing: %v", err)
	}
}
