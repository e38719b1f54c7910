package ingest

import (
	"errors"
	"strings"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Allow refuses what is not its sender's to say. It is asked about the event as it was
// read, with what Read said: err, where it is not nil, unless who sent it may not
// even speak of what it names.
//
// A credential that is bound to an agent states what that agent did and decided; one
// of a person, that person's reviews and leave; one of a platform, what it may. What an
// agent or a person says of others is taken: it is a claim, and the record says so.
func Allow(who identity.Principal, e *Event, err error) error {
	for _, repo := range e.Named {
		if err := mayTell(who, repo); err != nil {
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
	case *record.IdentityRefused, *record.RunNamed, *record.RepositoryNamed:
		return schemas.Refuse(schemas.NotTheSenders, "events of type %s come from changetrail itself alone", e.Type)
	}
	return allowName(who, e.Fact)
}

// Own is who changetrail itself is, in what its gateways say.
func Own() identity.Principal { return identity.Principal{Name: identity.Own, Platform: identity.Own} }

// AllowSigned is Allow for an event that lies in Kafka: who sent it is whom its
// signature names. Which repositories that one may speak of, and what a platform may state,
// the gateway alone knows, and has asked. Changetrail's own events are those that a
// gateway or an enricher has signed as its own; where nobody has a key that cannot be told, and
// what they say is a claim, as everything is, except of the names of repositories: no claim
// moves what others told.
func (r Reader) AllowSigned(e *Event, err error) error {
	switch e.Fact.(type) {
	case *record.IdentityRefused:
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

// principalOf is who a gateway found a sender to be.
func principalOf(sender string) identity.Principal {
	_, name, _ := strings.Cut(sender, ":")
	who := identity.Principal{Name: name}
	switch schemas.CredentialOf(sender) {
	case record.Signed:
		who.Agent = name
	case record.Observed:
		who.Platform, who.Webhook = name, true // as a gateway found: see Reader.witness
	case record.Human:
		who.Person = name
	}
	return who
}

// An Impostor is the error for an event in the name of someone who did not send it. It
// wraps a [schemas.Refusal].
type Impostor struct{ Name, Credential, BoundTo string }

func (i *Impostor) Error() string { return i.refusal().Error() }

// Unwrap returns the refusal.
func (i *Impostor) Unwrap() error { return i.refusal() }

func (i *Impostor) refusal() error {
	whose := "is bound to nobody"
	if i.BoundTo != "" {
		whose = "is that of " + i.BoundTo
	}
	return schemas.Refuse(schemas.NotTheSenders, "it speaks in the name of %s, and the credential %s %s", i.Name, i.Credential, whose)
}

// IsImpostor returns the Impostor in err's chain, or nil.
func IsImpostor(err error) *Impostor {
	var i *Impostor
	if errors.As(err, &i) {
		return i
	}
	return nil
}

// allowRepository refuses what is about a repository that the sender may not speak of.
func allowRepository(who identity.Principal, e *Event) error {
	spans, ok := e.Fact.(*record.Spans)
	if !ok {
		return mayTell(who, e.Repository)
	}
	for i := range spans.Spans {
		if err := mayTell(who, record.Repository(spans.Spans[i].Repository)); err != nil {
			return err
		}
	}
	return nil
}

// mayTell refuses what is about a repository that the sender may not speak of; of one
// who may speak of some, also what says of none, since it may turn out to be about any.
func mayTell(who identity.Principal, repo record.Repository) error {
	switch {
	case who.MaySpeakOf(string(repo)):
		return nil
	case repo == "":
		return schemas.Refuse(schemas.NotAllowed, "the credential %s may speak of some repositories alone, and it is not said which one this is about; set vcs.repository.url.full in the resource attributes, or partitionkey", who.Name)
	}
	return schemas.Refuse(schemas.NotAllowed, "the credential %s may not speak of %s", who.Name, repo)
}

// allowName refuses what is said in the name of another.
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
