package ask

// An Action is what a tool of an agent is about to do.
type Action struct {
	Agent      string `json:"agent,omitempty"`      // id in the policy; empty if the credential contains it, or Product is it
	Repository string `json:"repository,omitempty"` // host/path, such as github.com/acme/payments
	Product    string `json:"product,omitempty"`    // such as claude-code; the agent if nothing else names one
	Tool       string `json:"tool,omitempty"`       // as the agent names it
	Does       string `json:"does"`                 // write, push, deploy or spend
	// Paths are the files that it writes: relative to the repository, or absolute if they are outside
	// of it.
	Paths []string `json:"paths,omitempty"`
	// More says that it may write other files, too. What the policy requires for any file of the
	// repository is required then.
	More    bool   `json:"more,omitempty"`
	Run     string `json:"run,omitempty"`      // of the agent
	AskedBy string `json:"asked_by,omitempty"` // who asked the agent to work
}

// An Answer says whether a tool may run.
type Answer struct {
	Allowed bool   `json:"allowed"`
	Verdict string `json:"verdict"` // of the policy: autonomous, review-required, approval-required or forbidden
	Rule    string `json:"rule,omitempty"`
	// Reasons are sentences: why it is denied, or why it is allowed.
	Reasons []string `json:"reasons"`
	// Missing are the approvals that would allow it, each with who can give it.
	Missing   []string `json:"missing,omitempty"`
	Approvals []string `json:"approvals,omitempty"` // ids of those that allow it
	// Request is the id of the request for an approval, which people find in the inbox. It is empty if
	// no approval is required or none can allow it.
	Request string `json:"request,omitempty"`
	Inbox   string `json:"inbox,omitempty"`   // address of the page
	Refused bool   `json:"refused,omitempty"` // a person refused the request
	// PolicyDigest names the policy that decided.
	PolicyDigest string `json:"policy_digest,omitempty"`
	// Warning says that a newer policy cannot be read, so that the one before it decided.
	Warning string `json:"warning,omitempty"`
}
