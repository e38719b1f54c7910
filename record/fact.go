package record

// A Fact is the data of an event. The set is closed.
type Fact interface{ isFact() }

func (*IdentityRefused) isFact() {}
func (*Pushed) isFact()          {}
func (*Activity) isFact()        {}
func (*Spans) isFact()           {}
func (*RunNamed) isFact()        {}
func (*Decision) isFact()        {}
func (*Action) isFact()          {}
func (*Scan) isFact()            {}
func (*Validation) isFact()      {}
func (*Review) isFact()          {}
func (*Approval) isFact()        {}
func (*Opened) isFact()          {}
func (*Updated) isFact()         {}
func (*Merged) isFact()          {}
func (*Closed) isFact()          {}
func (*Deployment) isFact()      {}
func (*GateDecision) isFact()    {}
func (*BreakGlass) isFact()      {}

// NewFact returns an empty fact of an event type, or nil for a type that is not one of
// changetrail's.
func NewFact(eventType string) Fact {
	switch eventType {
	case TypeDecisionRecorded:
		return new(Decision)
	case TypeActionPerformed:
		return new(Action)
	case TypeScanCompleted:
		return new(Scan)
	case TypeValidationCompleted:
		return new(Validation)
	case TypeReviewSubmitted:
		return new(Review)
	case TypeApprovalGranted:
		return new(Approval)
	case TypeChangeOpened:
		return new(Opened)
	case TypeChangeUpdated:
		return new(Updated)
	case TypeChangeMerged:
		return new(Merged)
	case TypeChangeClosed:
		return new(Closed)
	case TypeDeploymentFinished:
		return new(Deployment)
	case TypeGateDecided:
		return new(GateDecision)
	case TypeGateOverridden:
		return new(BreakGlass)
	case TypeIdentityRefused:
		return new(IdentityRefused)
	case TypeCommitsPushed:
		return new(Pushed)
	case TypeEventNoted:
		return new(Activity)
	case TypeSpansReceived:
		return new(Spans)
	case TypeRunNamed:
		return new(RunNamed)
	case TypeRepositoryNamed:
		return new(RepositoryNamed)
	case TypeRequestReceived:
		return new(Request)
	}
	return nil
}

// Types returns the event types of changetrail, in the order of the contract.
func Types() []string {
	return []string{
		TypeDecisionRecorded, TypeActionPerformed, TypeScanCompleted, TypeValidationCompleted,
		TypeReviewSubmitted, TypeApprovalGranted, TypeChangeOpened, TypeChangeUpdated,
		TypeChangeMerged, TypeChangeClosed, TypeDeploymentFinished, TypeGateDecided, TypeGateOverridden, TypeIdentityRefused,
		TypeCommitsPushed, TypeEventNoted, TypeSpansReceived, TypeRunNamed, TypeRequestReceived, TypeRepositoryNamed,
	}
}

// TypeOf returns the event type with data of f's type.
func TypeOf(f Fact) string {
	switch f.(type) {
	case *Decision:
		return TypeDecisionRecorded
	case *Action:
		return TypeActionPerformed
	case *Scan:
		return TypeScanCompleted
	case *Validation:
		return TypeValidationCompleted
	case *Review:
		return TypeReviewSubmitted
	case *Approval:
		return TypeApprovalGranted
	case *Opened:
		return TypeChangeOpened
	case *Updated:
		return TypeChangeUpdated
	case *Merged:
		return TypeChangeMerged
	case *Closed:
		return TypeChangeClosed
	case *Deployment:
		return TypeDeploymentFinished
	case *GateDecision:
		return TypeGateDecided
	case *BreakGlass:
		return TypeGateOverridden
	case *IdentityRefused:
		return TypeIdentityRefused
	case *Pushed:
		return TypeCommitsPushed
	case *Activity:
		return TypeEventNoted
	case *Spans:
		return TypeSpansReceived
	case *RunNamed:
		return TypeRunNamed
	case *RepositoryNamed:
		return TypeRepositoryNamed
	case *Request:
		return TypeRequestReceived
	}
	return ""
}
