package setup

import (
	"encoding/json"
	"testing"
	"time"
)

const year = 400 * 24 * time.Hour

// TestISMHasTheShapeThatOpenSearchDocuments compares the policies with the documented structure,
// member by member.
func TestISMHasTheShapeThatOpenSearchDocuments(t *testing.T) {
	for name, policy := range ISM(year) {
		text, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		var p struct {
			Policy struct {
				DefaultState string `json:"default_state"`
				States       []struct {
					Name        string           `json:"name"`
					Actions     []map[string]any `json:"actions"`
					Transitions []struct {
						State      string            `json:"state_name"`
						Conditions map[string]string `json:"conditions"`
					} `json:"transitions"`
				} `json:"states"`
				Template []struct {
					Patterns []string `json:"index_patterns"`
				} `json:"ism_template"`
			} `json:"policy"`
		}
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		states := map[string]bool{}
		for _, s := range p.Policy.States {
			states[s.Name] = true
		}
		if !states[p.Policy.DefaultState] || len(p.Policy.Template) != 1 {
			t.Errorf("%s: %s", name, text)
		}
		for _, s := range p.Policy.States {
			for _, to := range s.Transitions {
				if !states[to.State] || to.Conditions["min_index_age"] != "431d" {
					t.Errorf("%s: %+v", name, to)
				}
			}
		}
	}
}

func TestARecordLivesAsLongAsTheRetentionSays(t *testing.T) {
	events, records := ages(year)
	if events != "400d" || records != "431d" {
		t.Errorf("%s, %s: an index holds a month, so its last document must be added 31 days", events, records)
	}
}
