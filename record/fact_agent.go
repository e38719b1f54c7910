package record

// An Agent is the identity under which an AI agent acted.
type Agent struct {
	ID          string `json:"id" schema:"required,min=1,max=256" doc:"stable name of the agent identity, such as agent-bot-3000"`
	Name        string `json:"name,omitempty" schema:"max=256" doc:"name for people"`
	Version     string `json:"version,omitempty" schema:"max=128"`
	Provider    string `json:"provider,omitempty" schema:"max=128" doc:"provider of the model (OpenTelemetry gen_ai.provider.name)"`
	Model       string `json:"model,omitempty" schema:"max=256" doc:"requested model (OpenTelemetry gen_ai.request.model)"`
	Run         string `json:"run,omitempty" schema:"max=256" doc:"the run or session in which the agent acted"`
	LogsURL     string `json:"logs_url,omitempty" schema:"max=2048" doc:"where the log of the run can be read"`
	DelegatedBy string `json:"delegated_by,omitempty" schema:"max=256" doc:"account of the person who asked the agent to do it"`
}

// A Trigger is what made the agent start.
type Trigger struct {
	Kind     string `json:"kind" schema:"required,enum=scan|alert|ticket|issue|incident|prompt|test-failure|schedule|request|other" doc:"kind of the trigger"`
	ID       string `json:"id,omitempty" schema:"max=512" doc:"its id in its own system: scan id, ticket, alert"`
	Digest   string `json:"digest,omitempty" schema:"format=digest" doc:"digest of the report that was read"`
	Finding  string `json:"finding,omitempty" schema:"max=256" doc:"the finding in that report, by any of its names (CVE, GHSA, OSV id, rule)"`
	Severity string `json:"severity,omitempty" schema:"enum=critical|high|medium|low|none|unknown"`
	Package  string `json:"package,omitempty" schema:"max=256" doc:"the package that the finding is in"`
	URL      string `json:"url,omitempty" schema:"max=2048"`
	Summary  string `json:"summary,omitempty" schema:"max=2048"`
}

// An Option is one way of acting that the agent considered.
type Option struct {
	ID      string `json:"id" schema:"required,min=1,max=128"`
	Title   string `json:"title,omitempty" schema:"max=512"`
	Outcome string `json:"outcome" schema:"required,enum=chosen|rejected|deferred"`
	Reason  string `json:"reason,omitempty" schema:"max=2048" doc:"why it was chosen or rejected"`
	Package string `json:"package,omitempty" schema:"max=512" doc:"package URL (purl) of the dependency that the option would change, such as pkg:npm/lodash"`
	From    string `json:"from,omitempty" schema:"max=128" doc:"its version before"`
	To      string `json:"to,omitempty" schema:"max=128" doc:"its version after; the choice is compared with what was done only if package and to are given"`
}

// A Claim is the authorization that the agent says it has.
type Claim struct {
	Scope     []string `json:"scope,omitempty" schema:"maxitems=100,max=512" doc:"services and paths that the agent states it may change"`
	Verdict   string   `json:"verdict,omitempty" schema:"enum=autonomous|review-required|approval-required|forbidden"`
	GrantedBy string   `json:"granted_by,omitempty" schema:"max=256"`
	Policy    string   `json:"policy,omitempty" schema:"max=256" doc:"name or digest of the policy that the agent used"`
}

// A DependencyUpdate is one dependency and its change from one version to another.
type DependencyUpdate struct {
	Name      string `json:"name" schema:"required,min=1,max=256"`
	Ecosystem string `json:"ecosystem,omitempty" schema:"max=64" doc:"name of the ecosystem as in OSV: npm, PyPI, Go, Maven, crates.io"`
	From      string `json:"from,omitempty" schema:"max=128"`
	To        string `json:"to,omitempty" schema:"max=128"`
}

// A Decision is the structured decision log of an agent.
type Decision struct {
	Agent         Agent    `json:"agent" schema:"required"`
	Trigger       *Trigger `json:"trigger,omitempty" doc:"what made the agent start"`
	Options       []Option `json:"options,omitempty" schema:"maxitems=50" doc:"all options that were considered, including the chosen one"`
	Chosen        string   `json:"chosen,omitempty" schema:"max=128" doc:"id of the chosen option; may be omitted if one option has the outcome chosen"`
	Rationale     string   `json:"rationale,omitempty" schema:"max=8192"`
	Authorization *Claim   `json:"authorization,omitempty" doc:"the authorization that the agent claims"`
	Service       string   `json:"service,omitempty" schema:"max=256"`
	Claims        *Claims  `json:"claims,omitempty" doc:"what the agent states about the result; it is compared with what the CI system and the code host report"`
}

// Claims are what an agent says about its own work.
type Claims struct {
	Tests string   `json:"tests,omitempty" schema:"enum=passed|failed|not-run" index:"keyword" doc:"how the tests ended, as the agent states"`
	Files []string `json:"files,omitempty" schema:"maxitems=3000,max=1024" index:"keyword" doc:"all paths that the agent states it changed"`
}

// An Action is one thing that the agent did.
type Action struct {
	Agent        Agent              `json:"agent" schema:"required"`
	Tool         string             `json:"tool" schema:"required,min=1,max=256"`
	CallID       string             `json:"call_id,omitempty" schema:"max=256"`
	Arguments    RawJSON            `json:"arguments,omitzero" doc:"arguments of the tool; stored with the event"`
	Result       RawJSON            `json:"result,omitzero" doc:"result of the tool; stored with the event"`
	Outcome      string             `json:"outcome,omitempty" schema:"enum=success|failure|refused|unknown"`
	CommitSHA    string             `json:"commit_sha,omitempty" schema:"format=commit"`
	Files        []string           `json:"files,omitempty" schema:"maxitems=3000,max=1024" doc:"paths changed"`
	Dependencies []DependencyUpdate `json:"dependencies,omitempty" schema:"maxitems=500"`
	DurationMS   int64              `json:"duration_ms,omitempty" schema:"min=0"`
	// Repository is for actions that name their run but no change: they are joined by agent.run,
	// agent.logs_url, the trace, or commit_sha.
	Repository string `json:"repository,omitempty" schema:"max=512"`
}

// RawJSON is JSON that the system carries without reading it.
type RawJSON []byte

// IsZero reports whether f is empty.
func (f RawJSON) IsZero() bool { return len(f) == 0 }

// MarshalJSON returns f itself.
func (f RawJSON) MarshalJSON() ([]byte, error) {
	if len(f) == 0 {
		return []byte("null"), nil
	}
	return f, nil
}

// UnmarshalJSON keeps a copy of b.
func (f *RawJSON) UnmarshalJSON(b []byte) error {
	*f = append((*f)[:0], b...)
	return nil
}

// A Tool is a scanner or a test runner.
type Tool struct {
	Name    string `json:"name" schema:"required,min=1,max=256"`
	Version string `json:"version,omitempty" schema:"max=128"`
}
