// Package settings contains the parts of the configuration that more than one package reads: what
// operators say about sources and projects, and the possible values of keys.
//
// A hook reads the whole configuration at each tool call, so this package imports nothing heavy.
package settings

// Receivers, as sink.engine names them.
const (
	Elasticsearch = "elasticsearch"
	OpenSearch    = "opensearch"
	Lake          = "lake"       // files in object storage
	OCSFTopic     = "ocsf-topic" // a topic of Kafka
	OTLP          = "otlp"
	Splunk        = "splunk"
	Syslog        = "syslog"
)

// Steps that a hook may take if the policy does not let the agent act alone.
const (
	Off  = "off"
	Ask  = "ask"  // the person at the keyboard
	Deny = "deny" // the call is refused
)

// A JiraProject is a project of Jira, with the repositories in which work on its issues is done.
// Jira knows no repositories, and signs no URL that could name them.
type JiraProject struct {
	Project      string   `yaml:"project"` // key, as PAY of PAY-12
	Repositories []string `yaml:"repositories"`
}
