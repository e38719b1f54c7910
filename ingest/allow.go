package ingest

import (
	"errors"
	"strings"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Allow refuses events that their sender may not publish. It checks the event as it was read,
// together with the error of Read: it returns err, if that is not nil, unless the sender may not
// even publish about what the event names.
//
// A credential of an agent states what that agent did and decided; one of a person, that person's
// reviews and approvals; one of a platform, the kinds of facts that it may state. What an agent or
// a person says about others is accepted as a claim, and the record shows it as one.
func Allow(who identity.Principal, e *Event, err error) error {
	for _, repo := range e.Named {
		if err := mayReport(who, repo); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := allowRepository(who, e); err != nil {
		return err
	}
	if err := allowKind(who, e); err != nil {
		return err
	}
	switch e.Fact.(type) {
	case *record.IdentityRefused, *record.BreakGlass, *record.RunNamed, *record.RepositoryNamed:
		return schemas.Refuse(schemas.NotTheSenders, "only changetrail itself sends events of type %s", e.Type)
	}
	return allowName(who, e.Fact)
}

// Own returns the principal under which changetrail's gateways publish their own events.
func Own() identity.Principal { return identity.Principal{Name: identity.Own, Platform: identity.Own} }

// AllowSigned is Allow for an event in Kafka. Its sender is the one that its signature names. Only
// the gateway knows, and has checked, which repositories a sender may publish about and what a
// platform may state. Changetrail's own events are those that a gateway or an enricher signed as
// its own. Without keys that cannot be checked, and they are claims like everything else, except
// for names of repositories: no claim may move what others reported.
func (r Reader) AllowSigned(e *Event, err error) error {
	switch e.Fact.(type) {
	case *record.IdentityRefused, *record.BreakGlass:
		if !r.Keys.Any() || e.Sender == record.SenderPlatform+identity.Own {
			return err
		}
	case *record.RepositoryNamed:
		if e.Sender == record.SenderPlatform+identity.Own {
			return err
		}
	case *record.RunNamed: // enrichers do not sign it
		if e.Sender == "" {
			return err
		}
	}
	return Allow(principalOf(e.Sender), e, err)
}

// principalOf returns the principal that a gateway identified as the sender.
func principalOf(sender string) identity.Principal {
	_, name, _ := strings.Cut(sender, ":")
	who := identity.Principal{Name: name}
	switch schemas.CredentialOf(sender) {
	case record.Signed:
		who.Agent = name
	case record.Observed:
		who.Platform, who.Webhook = name, true // the gateway verified it: see Reader.witness
	case record.Human:
		who.Person = name
	}
	return who
}

// An Impostor is the error for an event in the name of somebody who did not send it. It wraps a
// [schemas.Refusal].
type Impostor struct{ Name, Credential, BoundTo string }

func (i *Impostor) Error() string { return i.refusal().Error() }

// Unwrap returns the refusal.
func (i *Impostor) Unwrap() error { return i.refusal() }

func (i *Impostor) refusal() error {
	whose := "belongs to nobody"
	if i.BoundTo != "" {
		whose = "belongs to " + i.BoundTo
	}
	return schemas.Refuse(schemas.NotTheSenders, "it is in the name of %s, but the credential %s %s", i.Name, i.Credential, whose)
}

// IsImpostor returns the Impostor in err's chain, or nil.
func IsImpostor(err error) *Impostor {
	var i *Impostor
	if errors.As(err, &i) {
		return i
	}
	return nil
}

// allowRepository refuses events about a repository that the sender may not publish about.
func allowRepository(who identity.Principal, e *Event) error {
	spans, ok := e.Fact.(*record.Spans)
	if !ok {
		return mayReport(who, e.Repository)
	}
	for i := range spans.Spans {
		if err := mayReport(who, record.Repository(spans.Spans[i].Repository)); err != nil {
			return err
		}
	}
	return nil
}

// mayReport refuses events about a repository that the sender may not publish about. For a sender
// that is limited to some repositories it also refuses events without a repository, since they may
// turn out to be about any.
func mayReport(who identity.Principal, repo record.Repository) error {
	switch {
	case who.MayReportAbout(string(repo)):
		return nil
	case repo == "":
		return schemas.Refuse(schemas.NotAllowed, "the credential %s is limited to some repositories, and the event names none; set vcs.repository.url.full in the resource attributes, or partitionkey", who.Name)
	}
	return schemas.Refuse(schemas.NotAllowed, "the credential %s may not publish about %s", who.Name, repo)
}

// allowName refuses facts in the name of another.
func allowName(who identity.Principal, f record.Fact) error {
	switch f := f.(type) {
	case *record.Decision:
		return asAgent(who, f.Agent.ID)
	case *record.Action:
		return asAgent(who, f.Agent.ID)
	case *record.Spans:
		for i := range f.Spans {
			if err := asAgent(who, f.Spans[i].AgentID); err != nil {
				return err
			}
		}
	case *record.Opened:
		return asAgent(who, f.Agent)
	case *record.Updated:
		return asAgent(who, f.Agent)
	case *record.Merged:
		return asAgent(who, f.Agent)
	case *record.Closed:
		return asAgent(who, f.Agent)
	case *record.Review:
		return asPerson(who, f.Reviewer)
	case *record.Approval:
		return asPerson(who, f.Approver)
	}
	return nil
}

func asAgent(who identity.Principal, name string) error {
	if who.Agent != "" && name != "" && name != who.Agent {
		return &Impostor{name, who.Name, who.Agent}
	}
	return nil
}

func asPerson(who identity.Principal, name string) error {
	if who.Person != "" && !strings.EqualFold(name, who.Person) {
		return &Impostor{name, who.Name, who.Person}
	}
	return nil
}
