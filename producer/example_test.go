package producer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/producer"
	"github.com/changetrail/changetrail/record"
)

// gateway stands for a gateway of changetrail: it prints what it takes.
func gateway() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var data struct {
			Options []record.Option `json:"options"`
			Tool    string          `json:"tool"`
		}
		if err := json.UnmarshalRead(r.Body, &data); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Println(strings.TrimSpace(r.Header.Get("Ce-Type") + " " + r.Header.Get("Ce-Subject") + " " + data.Tool))
		for _, o := range data.Options {
			fmt.Printf("  %s %s: %s\n", o.Outcome, o.ID, o.Reason)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
}

// An agent records what it decided, and which alternatives it rejected.
func Example() {
	server := gateway()
	defer server.Close()
	p, err := producer.New(producer.HTTP(producer.HTTPConfig{URL: server.URL, Token: "ct_…"}), producer.Options{Source: "/agents/agent-bot-3000"})
	if err != nil {
		fmt.Println(err)
		return
	}
	agent := record.Agent{ID: "agent-bot-3000", Model: "claude-sonnet-4-5", Run: "run-7"}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = p.Publish(ctx, producer.Decide("acme/payments#4829", agent).
		OnScan("sha256:36a8ecd51f4b7c89d273983494f8eb1480b0609e9b11a81fc4deb0fce7d22848", "GHSA-35jh-r3h4-6jhm").
		Chose("upgrade", "lodash 4.17.21", "fixes it within the minor version").
		Rejected("override", "pin the transitive version", "leaves the old copy in place").
		Because("The patch release is the smallest change that removes the finding.").
		Event())
	fmt.Println(err, p.Close(ctx))
	// Output:
	// dev.changetrail.decision.recorded.v1 github.com/acme/payments/pull/4829
	//   chosen upgrade: fixes it within the minor version
	//   rejected override: leaves the old copy in place
	// <nil> <nil>
}

// Any other fact is an event, too: here a call of a tool.
func ExampleEvent() {
	server := gateway()
	defer server.Close()
	p, err := producer.New(producer.HTTP(producer.HTTPConfig{URL: server.URL}), producer.Options{Source: "/agents/agent-bot-3000"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	err = p.Publish(ctx, producer.Event("acme/payments#4829", &record.Action{Agent: record.Agent{ID: "agent-bot-3000"}, Tool: "edit", Files: []string{"package.json"}}))
	fmt.Println(err, p.Close(ctx))
	// Output:
	// dev.changetrail.action.performed.v1 github.com/acme/payments/pull/4829 edit
	// <nil> <nil>
}

// With a spool folder an event is safe on disk where the gateway is away, and is sent later.
func ExampleProducer_Spooled() {
	server := gateway()
	away := server.URL
	server.Close()
	folder, err := os.MkdirTemp("", "spool")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	p, err := producer.New(producer.HTTP(producer.HTTPConfig{URL: away}), producer.Options{Source: "/agents/agent-bot-3000", Spool: folder})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err = p.Publish(ctx, producer.Decide("acme/payments#4829", record.Agent{ID: "agent-bot-3000"}).Chose("upgrade", "lodash 4.17.21", "fixes it").Event())
	fmt.Println(err, p.Spooled())
	_ = p.Close(ctx) // it waits for the spool as long as ctx allows
	// Output:
	// <nil> 1
}
