package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/typedapi/types"

	"github.com/changetrail/changetrail/sinks/setup"
)

// TestILMIsWhatElasticsearchDocuments reads the policies with the types that
// Elastic generates from its API specification. No server with ILM can be had
// here.
func TestILMIsWhatElasticsearchDocuments(t *testing.T) {
	for name, policy := range setup.ILM(400 * 24 * time.Hour) {
		text, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		var p struct {
			Policy types.IlmPolicy `json:"policy"`
		}
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.Policy.Phases.Hot == nil || p.Policy.Phases.Delete == nil || p.Policy.Phases.Delete.Actions.Delete == nil {
			t.Errorf("%s: %s is not read as a hot and a delete phase", name, text)
		}
		if name == setup.EventsPolicy && (p.Policy.Phases.Hot.Actions.Rollover == nil || p.Policy.Phases.Hot.Actions.Rollover.MaxAge == nil || p.Policy.Phases.Hot.Actions.Rollover.MaxPrimaryShardSize == nil) {
			t.Errorf("%s: no rollover in %s", name, text)
		}
	}
}
