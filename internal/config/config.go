package config

import (
	"time"

	"github.com/changetrail/changetrail/internal/secrets"
	"github.com/changetrail/changetrail/internal/settings"
)

// A Config is changetrail.yaml. Each key is also an environment variable, its
// path in capitals after CHANGETRAIL_: kafka.brokers is
// CHANGETRAIL_KAFKA_BROKERS, a list with commas. A flag wins over the
// environment, the environment over the file, the file over the default.
type Config struct {
	Namespace string   `yaml:"namespace" doc:"part of every index name"`
	Retention Duration `yaml:"retention" doc:"how long events and records are kept"`
	Store     string   `yaml:"store" path:"true" doc:"where the records are: a folder of the embedded mode, opensearch or elasticsearch; if empty, local.data if that exists and neither sink.engine nor sink.addresses is set, else sink.engine"`
	Queries   string   `yaml:"queries" path:"true" doc:"queries.yaml: saved queries in addition to the built-in ones"`
	Content   string   `yaml:"content" doc:"how much senders on this machine keep of prompts and of arguments and results of tools: metadata-only, redacted (secrets replaced) or full"`
	// The keys that parts of the pipeline share.
	SigningKey       string `yaml:"signing_key" secret:"true" doc:"key with which gateways and enrichers sign who sent an event, and enrichers verify it; to replace it, several keys, one per line, of which the first signs"`
	SigningKeyFile   string `yaml:"signing_key_file" path:"true"`
	RecordKey        string `yaml:"record_key" secret:"true" doc:"key with which enrichers sign records and enriched events, and sinks verify them; signing_key if empty"`
	RecordKeyFile    string `yaml:"record_key_file" path:"true"`
	RedactionKey     string `yaml:"redaction_key" secret:"true" doc:"key with which equal secrets get equal markers; derived from signing_key if empty"`
	RedactionKeyFile string `yaml:"redaction_key_file" path:"true"`
	Blobs            string `yaml:"blobs" path:"true" doc:"where reports and large data are stored: a folder, or a URL such as s3://bucket (with -tags clouds also gs://bucket, azblob://container)"`
	Trust            struct {
		Unsigned []settings.Trust `yaml:"unsigned" doc:"for a Kafka to which nobody else can write: sources whose events count without a signature, each {source: pattern, as: observed, human or signed, may: [kinds], history: true}; docs/operations.md"`
	} `yaml:"trust"`
	Kafka struct {
		Brokers     []string `yaml:"brokers" doc:"host:port of some brokers"`
		Prefix      string   `yaml:"prefix" doc:"first part of the topic names"`
		Partitions  int      `yaml:"partitions" doc:"of each topic, when setup creates it"`
		Replication int      `yaml:"replication" doc:"of each topic, when setup creates it; -1: the cluster's default"`
		Retention   Duration `yaml:"retention" doc:"retention of topics that delete by time; the general retention if empty"`
		TLS         struct {
			Enabled  bool   `yaml:"enabled"`
			CAFile   string `yaml:"ca_file" path:"true"`
			CertFile string `yaml:"cert_file" path:"true"`
			KeyFile  string `yaml:"key_file" path:"true"`
		} `yaml:"tls"`
		SASL struct {
			Mechanism    string `yaml:"mechanism" doc:"PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"`
			User         string `yaml:"user"`
			Password     string `yaml:"password" secret:"true"`
			PasswordFile string `yaml:"password_file" path:"true"`
		} `yaml:"sasl"`
	} `yaml:"kafka"`
	Enricher struct {
		StateDir    string   `yaml:"state_dir" path:"true" doc:"local store; one for each enricher"`
		Instance    string   `yaml:"instance" doc:"stable, unique name; if empty, one is stored in state_dir"`
		Policy      string   `yaml:"policy" path:"true" doc:"policy.yaml: services, agents and rules"`
		Controls    string   `yaml:"controls" path:"true" doc:"controls.yaml: the control matrix"`
		MaxBatch    int      `yaml:"max_batch" doc:"events per transaction"`
		MaxMemory   int      `yaml:"max_memory" doc:"memory for events in work, unpacked, in bytes; at least gateway.max_memory, so that what the gateway accepts can be read"`
		EvidenceAge Duration `yaml:"evidence_age" doc:"how long evidence that names no change waits for one; 0 is for ever"`
		Linger      Duration `yaml:"linger" doc:"how long a transaction may wait to fill"`
		Compression string   `yaml:"compression" doc:"of what is written to Kafka: lz4, zstd, snappy, gzip, none"`
	} `yaml:"enricher"`
	Sink struct {
		Engine       string   `yaml:"engine" doc:"who receives events and records: opensearch, elasticsearch, splunk, otlp, syslog; for changetrail sink and setup also lake, ocsf-topic"`
		Addresses    []string `yaml:"addresses" doc:"URLs of some nodes of a search engine, or the URL of another receiver (docs/sinks.md)"`
		Username     string   `yaml:"username"`
		Password     string   `yaml:"password" secret:"true"`
		PasswordFile string   `yaml:"password_file" path:"true"`
		APIKey       string   `yaml:"api_key" secret:"true" doc:"of Elasticsearch, or of a receiver of OTLP that has such keys"`
		APIKeyFile   string   `yaml:"api_key_file" path:"true"`
		Token        string   `yaml:"token" secret:"true" doc:"of Splunk's HTTP Event Collector; bearer token of a receiver of OTLP"`
		TokenFile    string   `yaml:"token_file" path:"true"`
		CAFile       string   `yaml:"ca_file" path:"true"`
		CertFile     string   `yaml:"cert_file" path:"true" doc:"client certificate (PEM) for splunk, otlp and syslog"`
		KeyFile      string   `yaml:"key_file" path:"true"`
		Instance     string   `yaml:"instance" doc:"stable, unique name; saves a rebalance at each restart"`
		Gzip         int      `yaml:"gzip" doc:"level of request compression, 0 is none"`
		MaxDocs      int      `yaml:"max_docs" doc:"documents per request"`
		MaxBytes     int      `yaml:"max_bytes" doc:"bytes per request"`
		InFlight     int      `yaml:"in_flight" doc:"requests at a time"`
		Linger       Duration `yaml:"linger" doc:"how long a request may wait to fill"`
		Shards       int      `yaml:"shards" doc:"of each index, when setup creates it"`
		Lake         struct {
			Bucket    string   `yaml:"bucket" path:"true" doc:"where the files of the lake are written: a folder, or a URL such as s3://bucket (with -tags clouds also gs://bucket, azblob://container)"`
			Format    string   `yaml:"format" doc:"of the files: json (documents as the search engines have them, compressed JSON lines) or, with -tags parquet, parquet (events of OCSF, one table for each class)"`
			Source    string   `yaml:"source" doc:"for Amazon Security Lake: first part of the names of the custom sources, one for each class of events; if empty, names are as Hive has them"`
			Region    string   `yaml:"region" doc:"for Amazon Security Lake: AWS region that the events come from"`
			Account   string   `yaml:"account" doc:"for Amazon Security Lake: AWS account that the events come from"`
			FileBytes int      `yaml:"file_bytes" doc:"documents of a batch, in bytes before compression"`
			FileAge   Duration `yaml:"file_age" doc:"how long a document waits at most for its batch to fill"`
			MaxMemory int      `yaml:"max_memory" doc:"documents of all partitions that wait, in bytes"`
			New       bool     `yaml:"new" doc:"the bucket has no files of changetrail yet, so that it need not be listed when the consumer group has no offsets"`
		} `yaml:"lake"`
		Splunk struct {
			Index       string `yaml:"index" doc:"Splunk's index; the default index of the token if empty"`
			Source      string `yaml:"source" doc:"source of the events; changetrail if empty"`
			Acknowledge bool   `yaml:"acknowledge" doc:"wait until Splunk says that events are indexed; the token needs indexer acknowledgement"`
		} `yaml:"splunk"`
		Syslog struct {
			Format     string `yaml:"format" doc:"json or cef"`
			MaxMessage int    `yaml:"max_message" doc:"bytes of the largest message that the receiver accepts; a larger document is sent as a summary"`
		} `yaml:"syslog"`
	} `yaml:"sink"`
	Health struct {
		Interval Duration `yaml:"interval" doc:"how often changetrail health measures the pipeline; in the embedded mode 0 is never"`
	} `yaml:"health"`
	SIEM struct {
		DashboardsURL string `yaml:"dashboards_url" doc:"OpenSearch Dashboards, into which setup imports dashboards, with the credentials of sink"`
		KibanaURL     string `yaml:"kibana_url" doc:"Kibana, into which setup imports dashboards, with the credentials of sink"`
		Pages         string `yaml:"pages" doc:"URL of the pages of changetrail, to which ids and digests in dashboards link; no links if empty"`
	} `yaml:"siem"`
	Producer struct {
		Source    string `yaml:"source" doc:"CloudEvents source of events that have none"`
		Spool     string `yaml:"spool" path:"true" doc:"folder for events that cannot be sent now"`
		Gateway   string `yaml:"gateway" doc:"URL of a gateway; if empty, events go to Kafka"`
		Token     string `yaml:"token" secret:"true" doc:"bearer token for the gateway"`
		TokenFile string `yaml:"token_file" path:"true"`
	} `yaml:"producer"`
	Gateway struct {
		Listen               string                 `yaml:"listen" doc:"address of the gateway"`
		Credentials          string                 `yaml:"credentials" path:"true" doc:"credentials.yaml: who may send and read, and as whom; if empty, anybody who can connect may; if the file lists nobody, nobody may"`
		Open                 bool                   `yaml:"open" doc:"listen beyond this machine without credentials, because a proxy in front of it authenticates"`
		Plaintext            bool                   `yaml:"plaintext" doc:"listen beyond this machine without a certificate, because a proxy in front of it encrypts"`
		CertFile             string                 `yaml:"cert_file" path:"true" doc:"certificate (PEM); plain HTTP if empty"`
		KeyFile              string                 `yaml:"key_file" path:"true"`
		ClientCAFile         string                 `yaml:"client_ca_file" path:"true" doc:"CA that signs the certificates of clients (mTLS)"`
		GitHubSecret         string                 `yaml:"github_secret" secret:"true" doc:"secret of GitHub webhooks; to replace it, several, one per line"`
		GitHubSecretFile     string                 `yaml:"github_secret_file" path:"true"`
		GitLabToken          string                 `yaml:"gitlab_token" secret:"true" doc:"token of GitLab webhooks"`
		GitLabTokenFile      string                 `yaml:"gitlab_token_file" path:"true"`
		GitLabSigningKey     string                 `yaml:"gitlab_signing_key" secret:"true" doc:"whsec_…: signing key of GitLab webhooks"`
		GitLabSigningKeyFile string                 `yaml:"gitlab_signing_key_file" path:"true"`
		JiraSecret           string                 `yaml:"jira_secret" secret:"true" doc:"secret of Jira webhooks; to replace it, several, one per line"`
		JiraSecretFile       string                 `yaml:"jira_secret_file" path:"true"`
		JiraProjects         []settings.JiraProject `yaml:"jira_projects" doc:"the repositories in which the issues of Jira projects are worked on, each {project: PAY, repositories: [github.com/acme/payments]}"`
		GateDir              string                 `yaml:"gate_dir" path:"true" doc:"folder for the gate's copy of the enrichers' state; if empty, the gateway has no gate"`
		Status               struct {
			GitHub struct {
				URL        string `yaml:"url" doc:"API of GitHub; https://HOST/api/v3 of GitHub Enterprise Server"`
				Token      string `yaml:"token" secret:"true" doc:"token with which the gate's answers are shown as commit statuses; without it and app, none are (docs/gate.md)"`
				TokenFile  string `yaml:"token_file" path:"true"`
				App        string `yaml:"app" doc:"instead of token: client id of a GitHub App"`
				AppKey     string `yaml:"app_key" secret:"true" doc:"private key of the GitHub App (PEM)"`
				AppKeyFile string `yaml:"app_key_file" path:"true"`
			} `yaml:"github"`
			GitLab struct {
				URL       string `yaml:"url" doc:"GitLab's address"`
				Token     string `yaml:"token" secret:"true" doc:"access token with the scope api, with which the gate's answers are shown as external status checks; without it, none are (docs/gate.md)"`
				TokenFile string `yaml:"token_file" path:"true"`
				Check     string `yaml:"check" doc:"name of the external status check in the settings of the projects"`
			} `yaml:"gitlab"`
		} `yaml:"status"`
		Spool       string   `yaml:"spool" path:"true" doc:"folder for events while the broker cannot be reached; if empty, they are refused then"`
		Rate        int      `yaml:"rate" doc:"events per second of one credential, unless it has its own rate"`
		Concurrency int      `yaml:"concurrency" doc:"requests of one credential at a time"`
		MaxBody     int      `yaml:"max_body" doc:"bytes of a request, unpacked"`
		MaxMemory   int      `yaml:"max_memory" doc:"memory for all requests at a time, in bytes; three eighths of it are for webhooks and requests without a credential"`
		BlobRate    int      `yaml:"blob_rate" doc:"bytes of files per minute of one credential"`
		Timeout     Duration `yaml:"timeout" doc:"how long the broker may take"`
	} `yaml:"gateway"`
	Hook struct {
		Dir         string   `yaml:"dir" path:"true" doc:"folder in which hooks record what happens, an absolute path; the user's state folder if empty"`
		Agent       string   `yaml:"agent" doc:"id of the agent on this machine; claude-code or codex if empty"`
		DelegatedBy string   `yaml:"delegated_by" doc:"account of the person at this machine; if empty, git's global user.email"`
		LogsURL     string   `yaml:"logs_url" doc:"where people read the log of a session; {session} stands for its id"`
		Forbidden   string   `yaml:"forbidden" doc:"what a hook does if enricher.policy forbids a change: off, ask or deny"`
		Keep        Duration `yaml:"keep" doc:"how long sessions that cannot be sent are kept; 0 is for ever"`
		Approval    string   `yaml:"approval" doc:"the same if it requires an approval: off, ask or deny"`
		Harmless    []string `yaml:"harmless" doc:"calls of tools that a hook with --gate allows without asking the gate: names such as mcp__changetrail__*, or with a command or a file, such as Bash(npm test) or Write(/tmp/*)"`
	} `yaml:"hook"`
	Local struct {
		Data   string `yaml:"data" path:"true" doc:"folder of the embedded mode"`
		Broker string `yaml:"broker" doc:"address at which the embedded broker listens"`
	} `yaml:"local"`
	Web struct {
		Listen           string   `yaml:"listen" doc:"address of the page"`
		Hosts            []string `yaml:"hosts" doc:"host names that requests to gateway, pages and metrics may use without credentials, besides localhost and the addresses of this machine"`
		Gateway          string   `yaml:"gateway" doc:"URL of a gateway with the gate: changetrail web asks it what waits for a person and sends it what people decide; if empty, its pages have no inbox"`
		GatewayToken     string   `yaml:"gateway_token" secret:"true" doc:"bearer token for web.gateway, of a platform that may state approvals"`
		GatewayTokenFile string   `yaml:"gateway_token_file" path:"true"`
	} `yaml:"web"`
	SignIn struct {
		URL              string               `yaml:"url" doc:"where people's browsers reach the pages, such as https://trail.acme.example"`
		Issuer           string               `yaml:"issuer" doc:"OpenID Connect provider at which people sign in; if it and proxy.addresses are empty, nobody signs in there (docs/sign-in.md)"`
		Name             string               `yaml:"name" doc:"what the sign-in page calls the provider; the host of the issuer if empty"`
		ClientID         string               `yaml:"client_id" doc:"name under which the provider knows changetrail"`
		ClientSecret     string               `yaml:"client_secret" secret:"true" doc:"empty for a public client"`
		ClientSecretFile string               `yaml:"client_secret_file" path:"true"`
		CAFile           string               `yaml:"ca_file" path:"true" doc:"CA of the provider's certificate (PEM), if this machine does not trust it"`
		Scopes           []string             `yaml:"scopes" doc:"what is asked of the provider, besides openid"`
		IDClaim          string               `yaml:"id_claim" doc:"claim with the account by which policies and code hosts name a person; people must not be able to change it"`
		RolesClaim       string               `yaml:"roles_claim" doc:"claim from which roles follow, such as groups or realm_access.roles"`
		Roles            []settings.RoleGrant `yaml:"roles" doc:"which values of roles_claim, or groups of the proxy, give which role, each {value: payments-leads, role: approver}; if empty, the values viewer, approver, auditor and administrator themselves"`
		Idle             Duration             `yaml:"idle" doc:"a session ends if it is not used for so long"`
		Length           Duration             `yaml:"length" doc:"a session ends after that in any case"`
		Proxy            struct {
			Addresses    []string `yaml:"addresses" doc:"instead of issuer: IP addresses or prefixes of a proxy that signs people in and names them in headers"`
			UserHeader   string   `yaml:"user_header" doc:"header with the account"`
			NameHeader   string   `yaml:"name_header" doc:"header with the name"`
			EmailHeader  string   `yaml:"email_header" doc:"header with the mail address"`
			GroupsHeader string   `yaml:"groups_header" doc:"header with the groups, with commas between them"`
			SignOutURL   string   `yaml:"sign_out_url" doc:"where the proxy signs people out, such as /oauth2/sign_out"`
		} `yaml:"proxy"`
	} `yaml:"sign_in"`
	Telemetry struct {
		Listen string `yaml:"listen" doc:"address of /metrics, /healthz and /readyz; none if empty"`
		Open   bool   `yaml:"open" doc:"listen beyond this machine and accept any host name, because only the right people can reach it"`
	} `yaml:"telemetry"`
	Log struct {
		Level  string `yaml:"level" doc:"debug, info, warn or error"`
		Format string `yaml:"format" doc:"text or json"`
	} `yaml:"log"`

	warnings []string          // of keys by their former names, and of those of a work tree
	origins  map[string]origin // of keys that are set
	tree     Tree
	file     string // the configuration file that was read; "" where there is none
}

// Defaults returns the default settings.
func Defaults() Config {
	c := Config{origins: make(map[string]origin)}
	c.Namespace = "default"
	c.Retention = Duration(400 * 24 * time.Hour)
	c.Kafka.Brokers = []string{"localhost:9092"}
	c.Kafka.Prefix = "changetrail"
	c.Kafka.Partitions = 12
	c.Kafka.Replication = -1
	c.Enricher.StateDir = "changetrail-state"
	c.Enricher.MaxBatch = 4000
	c.Enricher.MaxMemory = 256 << 20
	c.Enricher.EvidenceAge = Duration(180 * 24 * time.Hour)
	c.Enricher.Linger = Duration(50 * time.Millisecond)
	c.Sink.Engine = settings.OpenSearch
	c.Sink.Addresses = []string{"http://localhost:9200"}
	c.Sink.MaxDocs = 1000
	c.Sink.MaxBytes = 5 << 20
	c.Sink.InFlight = 2
	c.Sink.Linger = Duration(100 * time.Millisecond)
	c.Sink.Shards = 1
	c.Health.Interval = Duration(5 * time.Minute)
	c.Sink.Lake.Format = "json"
	c.Sink.Lake.FileBytes = 16 << 20
	c.Sink.Lake.FileAge = Duration(5 * time.Minute)
	c.Sink.Lake.MaxMemory = 64 << 20
	c.Sink.Splunk.Acknowledge = true
	c.Sink.Syslog.Format = "json"
	c.Sink.Syslog.MaxMessage = 8192
	c.Producer.Source = "/changetrail/cli"
	c.Content = string(secrets.Redacted)
	c.Gateway.Listen = "127.0.0.1:8080"
	c.Gateway.Rate = 10_000
	c.Gateway.Concurrency = 1024
	c.Gateway.MaxBody = 8 << 20
	c.Gateway.MaxMemory = 256 << 20
	c.Gateway.BlobRate = 1 << 30
	c.Gateway.Timeout = Duration(10 * time.Second)
	c.Gateway.Status.GitHub.URL = "https://api.github.com"
	c.Gateway.Status.GitLab.URL = "https://gitlab.com"
	c.Gateway.Status.GitLab.Check = "changetrail gate"
	c.Hook.Forbidden, c.Hook.Approval = settings.Off, settings.Off
	c.Hook.Keep = Duration(30 * 24 * time.Hour)
	c.Local.Data = "changetrail-data"
	c.Local.Broker = "127.0.0.1:9092"
	c.Web.Listen = "127.0.0.1:8080"
	c.SignIn.Scopes = []string{"profile", "email"}
	c.SignIn.IDClaim = "preferred_username"
	c.SignIn.RolesClaim = "groups"
	c.SignIn.Idle = Duration(time.Hour)
	c.SignIn.Length = Duration(12 * time.Hour)
	c.SignIn.Proxy.UserHeader = "X-Forwarded-User"
	c.SignIn.Proxy.NameHeader = "X-Forwarded-Preferred-Username"
	c.SignIn.Proxy.EmailHeader = "X-Forwarded-Email"
	c.SignIn.Proxy.GroupsHeader = "X-Forwarded-Groups"
	c.Log.Level = "info"
	c.Log.Format = "text"
	return c
}

// Warnings returns warnings about the settings: former names of keys, and keys of a work tree
// that are ignored.
func (c *Config) Warnings() []string { return c.warnings }

// File is the configuration file that was read; "" where there is none.
func (c *Config) File() string { return c.file }

// Tree returns what the work tree sets.
func (c *Config) Tree() Tree { return c.tree }
