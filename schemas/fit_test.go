package schemas_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// TestFit: a text that is too long is cut to fit its schema, and two different names stay
// different.
func TestFit(t *testing.T) {
	long := strings.Repeat("é", 5000)
	deployment := &record.Deployment{Environment: long + "1", Outcome: "success", URL: "https://ci/" + long}
	other := &record.Deployment{Environment: long + "2", Outcome: "success"}
	for _, f := range []record.Fact{
		deployment, other,
		&record.Opened{Revision: record.Revision{Title: long, Author: long, Branch: long, URL: long, BaseRef: "main"}},
		&record.Pushed{Branch: long, After: strings.Repeat("a", 40), Files: []string{long}, Commits: []record.Commit{{SHA: strings.Repeat("a", 40), Author: long, Trailers: []record.Trailer{{Key: long, Value: long}}}}},
		&record.Scan{Tool: record.Tool{Name: long}, ScanID: long},
		&record.Validation{Name: long, Workflow: long, Provider: long, RunID: long},
	} {
		if schemas.Check(f) == nil {
			t.Errorf("%T is not too long", f)
		}
		if schemas.Fit(f); schemas.Check(f) != nil {
			t.Errorf("%T still is: %v", f, schemas.Check(f))
		}
	}
	if deployment.Environment == other.Environment || !strings.HasPrefix(deployment.Environment, "éé") || !utf8.ValidString(deployment.Environment) || deployment.URL != "" {
		t.Errorf("%+v", deployment)
	}
	short := record.Deployment{Environment: strings.Repeat("é", 255), Outcome: "success", URL: "https://ci"}
	was := short
	if schemas.Fit(&short); short != was {
		t.Errorf("what fits was changed: %+v", short)
	}
}
