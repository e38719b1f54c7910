package record

import (
	"time"
)

// A Review is a person's (or a bot's) review of one commit of a change.
type Review struct {
	Reviewer     string    `json:"reviewer" schema:"required,min=1,max=256" doc:"account of the reviewer"`
	ReviewerType string    `json:"reviewer_type,omitempty" schema:"enum=human|bot|agent"`
	Verdict      string    `json:"verdict" schema:"required,enum=approved|changes-requested|commented|dismissed"`
	CommitSHA    string    `json:"commit_sha,omitempty" schema:"format=commit" doc:"the commit that was reviewed"`
	SubmittedAt  time.Time `json:"submitted_at,omitzero" doc:"if omitted, the time of the event"`
	URL          string    `json:"url,omitempty" schema:"max=2048"`
	ReviewID     string    `json:"review_id,omitempty" schema:"max=256" doc:"the review's id at the code host; a dismissal names the review that it withdraws"`
	ChangeState  string    `json:"change_state,omitempty" schema:"enum=open|merged|closed" doc:"state of the change when the review was given, if the code host states that and no time"`
	ReviewerID   string    `json:"reviewer_id,omitempty" schema:"max=128" doc:"stable number of the account at the code host"`
}

// An Approval is a person's permission, given before the work, or the refusal of it.
type Approval struct {
	Approver  string    `json:"approver" schema:"required,min=1,max=256"`
	Verdict   string    `json:"verdict,omitempty" schema:"enum=granted|refused" doc:"granted if omitted; refused withdraws what this person granted before"`
	Scope     []string  `json:"scope,omitempty" schema:"maxitems=100,max=512" doc:"services and paths that the approval covers"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Reference string    `json:"reference,omitempty" schema:"max=2048" doc:"ticket or URL where it was given"`
	Reason    string    `json:"reason,omitempty" schema:"max=2048"`
	GrantedAt time.Time `json:"granted_at,omitzero" doc:"when the person gave it; if omitted, the time of the event. It counts from the time of the event"`
	Agent     string    `json:"agent,omitzero" schema:"max=256" doc:"the only agent whose changes it covers; if omitted, those of all agents"`
	Kinds     []string  `json:"kinds,omitempty" schema:"maxitems=100,max=64" doc:"the only kinds of changes that it covers; if omitted, all"`
}

// A Revision is what events that open, update, merge or close a change say about it.
type Revision struct {
	Title        string             `json:"title,omitempty" schema:"max=512"`
	URL          string             `json:"url,omitempty" schema:"max=2048"`
	Author       string             `json:"author,omitempty" schema:"max=256" doc:"account that opened the change"`
	AuthorType   string             `json:"author_type,omitempty" schema:"enum=human|bot|agent"`
	Agent        string             `json:"agent,omitempty" schema:"max=256" doc:"agent id, if an agent made the change"`
	HeadSHA      string             `json:"head_sha,omitempty" schema:"format=commit"`
	BaseRef      string             `json:"base_ref,omitempty" schema:"max=256"`
	Branch       string             `json:"branch,omitempty" schema:"max=256"`
	Kind         string             `json:"kind,omitempty" schema:"enum=dependency-update|vulnerability-fix|code|configuration|test|documentation"`
	Files        []string           `json:"files,omitempty" schema:"maxitems=3000,max=1024" doc:"paths changed, relative to the repository"`
	Additions    int64              `json:"additions,omitempty" schema:"min=0"`
	Deletions    int64              `json:"deletions,omitempty" schema:"min=0"`
	Dependencies []DependencyUpdate `json:"dependencies,omitempty" schema:"maxitems=500"`
	SBOMDigest   string             `json:"sbom_digest,omitempty" schema:"format=digest" doc:"the bill of materials that dependencies were read from"`
	FilesTotal   int64              `json:"files_total,omitzero" schema:"min=0" doc:"how many paths changed, if that is known and files has fewer"`
	AuthorID     string             `json:"author_id,omitempty" schema:"max=128" doc:"stable number of the account at the code host"`
	State        string             `json:"state,omitzero" schema:"enum=open" doc:"open: the code host says that the change was open then, for example because it was reopened"`
}

// An Opened says that a change was opened, or opened again.
type Opened struct {
	Revision
}

// An Updated says that the head or the description of a change moved.
type Updated struct {
	Revision
}

// A Merged says that a change was merged.
type Merged struct {
	Revision
	MergeSHA string    `json:"merge_sha,omitempty" schema:"format=commit"`
	MergedBy string    `json:"merged_by,omitempty" schema:"max=256"`
	MergedAt time.Time `json:"merged_at,omitzero" doc:"if omitted, the time of the event"`
	Earlier  bool      `json:"earlier,omitzero" doc:"the change was merged before the event, at a time that the event does not state"`
}

// A Closed says that a change was closed without being merged.
type Closed struct {
	Revision
	ClosedBy string    `json:"closed_by,omitempty" schema:"max=256"`
	ClosedAt time.Time `json:"closed_at,omitzero" doc:"if omitted, the time of the event"`
}

// A Deployment says that a commit reached an environment.
type Deployment struct {
	Environment string `json:"environment" schema:"required,min=1,max=256"`
	CommitSHA   string `json:"commit_sha,omitempty" schema:"format=commit"`
	Outcome     string `json:"outcome" schema:"required,enum=success|failure|rolled-back|cancelled"`
	Artifact    string `json:"artifact,omitempty" schema:"max=1024" doc:"what was deployed (package URL), if the commit is unknown"`
	Deployer    string `json:"deployer,omitempty" schema:"max=256"`
	URL         string `json:"url,omitempty" schema:"max=2048"`
	Repository  string `json:"repository,omitempty" schema:"max=512"`
}

// A GateDecision is what the gate answered to a request.
type GateDecision struct {
	Verdict      string   `json:"verdict" schema:"enum=autonomous|review-required|approval-required|forbidden" doc:"what the policy requires; omitted if the policy does not decide about the change"`
	Allowed      bool     `json:"allowed"`
	Reasons      []string `json:"reasons,omitempty" schema:"maxitems=50,max=1024"`
	PolicyDigest string   `json:"policy_digest,omitempty" schema:"format=digest"`
	CommitSHA    string   `json:"commit_sha,omitempty" schema:"format=commit" doc:"head of the change when the gate decided"`
	Rule         string   `json:"rule,omitempty" schema:"max=256" doc:"rule of the policy that decided"`
	Position     string   `json:"position,omitempty" schema:"max=512" doc:"the gate knew all events up to here: topic, partition and offset of the next event"`
}

// A BreakGlass is the order of a person that one commit of a change may be merged although the gate
// denies it. Only changetrail itself sends it, after it has identified the person.
type BreakGlass struct {
	Person    string    `json:"person" schema:"required,min=1,max=256" doc:"who ordered it"`
	Reason    string    `json:"reason" schema:"required,min=1,max=4096" doc:"why it could not wait"`
	CommitSHA string    `json:"commit_sha" schema:"required,format=commit" doc:"the only commit that it is about"`
	ReviewBy  time.Time `json:"review_by" schema:"required" doc:"when an independent person must have reviewed that commit"`
}

// An IdentityRefused says that a gateway refused an event because its credential is not that of
// the agent in whose name it speaks.
type IdentityRefused struct {
	Agent      string `json:"agent" schema:"required,min=1,max=256" doc:"the agent that the event claimed to come from"`
	Credential string `json:"credential" schema:"required,min=1,max=256" doc:"name of the credential of the event"`
	BoundTo    string `json:"bound_to,omitempty" schema:"max=256" doc:"the agent that the credential is bound to"`
	EventType  string `json:"event_type,omitempty" schema:"max=256"`
	EventID    string `json:"event_id,omitempty" schema:"max=1024"`
}

// A Pushed says that commits reached a branch.
type Pushed struct {
	Branch     string   `json:"branch" schema:"required,min=1,max=512"`
	Default    bool     `json:"default,omitempty" doc:"true for a branch into which changes are merged: a push to it is a change of its own, unless a merge made it"`
	Before     string   `json:"before,omitempty" schema:"format=commit"`
	After      string   `json:"after" schema:"required,format=commit" doc:"the newest commit"`
	Forced     bool     `json:"forced,omitempty"`
	Pusher     string   `json:"pusher,omitempty" schema:"max=256" doc:"account"`
	PusherType string   `json:"pusher_type,omitempty" schema:"enum=human|bot|agent"`
	Commits    []Commit `json:"commits,omitempty" schema:"maxitems=250" doc:"oldest first; if there are more, the newest ones"`
	Files      []string `json:"files,omitempty" schema:"maxitems=3000,max=1024" doc:"paths changed by the commits"`
	NoFiles    bool     `json:"no_files,omitzero" doc:"true if the code host lists the paths of each commit, and there are none"`
	Partial    bool     `json:"partial,omitzero" doc:"not all commits or files of the push are listed, for example because of a limit of the code host"`
	URL        string   `json:"url,omitempty" schema:"max=2048" doc:"URL of the diff"`
	Repository string   `json:"repository,omitempty" schema:"max=512"`
}

// A Commit is one commit of a push.
type Commit struct {
	SHA      string    `json:"sha" schema:"required,format=commit"`
	Author   string    `json:"author,omitempty" schema:"max=256" doc:"account; the name if no account is known"`
	Email    string    `json:"email,omitempty" schema:"max=256"`
	Subject  string    `json:"subject,omitempty" schema:"max=512" doc:"first line of the message"`
	Trailers []Trailer `json:"trailers,omitempty" schema:"maxitems=50" doc:"trailers of the whole message that name agents"`
	Merge    bool      `json:"merge,omitzero" doc:"it merges commits of the base branch into the change and has no content of its own"`
}

// An Activity is an event of another system that is stored and adds nothing to a record, such as a
// check that was only requested.
type Activity struct {
	Summary    string `json:"summary,omitempty" schema:"max=1024"`
	CommitSHA  string `json:"commit_sha,omitempty" schema:"format=commit" doc:"a commit that represents the change, such as one of a merge queue"`
	Artifact   string `json:"artifact,omitempty" schema:"max=1024" doc:"what was built from the change (package URL)"`
	Repository string `json:"repository,omitempty" schema:"max=512"`
}
