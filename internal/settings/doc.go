// Package settings has the parts of the configuration that more than one package reads:
// what operators say of sources and of projects, and the words that keys may have.
//
// A hook reads the whole configuration at each call of a tool, so nothing heavy is
// imported here.
package settings

// Search engines, as sink.engine names them.
const (
	Elasticsearch = "elasticsearch"
	OpenSearch    = "opensearch"
)

// Steps that a hook may take where the policy does not let the agent act alone.
const (
	Off  = "off"
	Ask  = "ask"  // the person at the keyboard
	Deny = "deny" // the call is refused
)

// A JiraProject is a project of Jira, and the repositories in which work on its issues is
// done. Jira knows none, and signs no address that could name them.
type JiraProject struct {
	Project      string   `yaml:"project"` // key, as PAY of PAY-12
	Repositories []string `yaml:"repositories"`
}
