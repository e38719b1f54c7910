package ocsf

import (
	"cmp"

	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// Severities of OCSF that are used.
var (
	informational = enum{1, "Informational"}
	low           = enum{2, "Low"}
	medium        = enum{3, "Medium"}
	high          = enum{4, "High"}
	critical      = enum{5, "Critical"}
)

// Activities of OCSF that are used. The same number means something else in another class.
var (
	create    = enum{1, "Create"}
	update    = enum{2, "Update"} // of a finding
	closing   = enum{3, "Close"}
	changing  = enum{3, "Update"} // of an API Activity
	completed = enum{2, "Completed"}
	updated   = enum{8, "Update"} // of an Application Lifecycle
	other     = enum{99, "Other"}
)

// activity makes an event of the stream: the class follows from what ECS calls its category and
// type.
func (d *document) activity(a *attributes) {
	e := &d.Trail.Event
	a.Metadata.UID = schemas.DocumentID(record.Event{Sender: e.Sender, Source: d.Event.Provider, ID: d.Event.ID})
	a.Metadata.LoggedTime = d.Event.Created.UnixMilli()
	a.Metadata.Tags = []tag{{"witness", cmp.Or(e.Witness, record.Claimed)}}
	category, kind := first(d.Event.Category), first(d.Event.Type)
	severity := informational
	if d.Event.Outcome == "failure" {
		severity = low
	}
	switch {
	case e.Type == record.TypeIdentityRefused:
		d.impersonation(a)
		return
	case category == "vulnerability":
		a.is(scanActivity, completed, severity)
		a.Scan = &scan{Name: cmp.Or(d.Trail.Tool, d.Event.Action), TypeID: other.id, Type: other.caption}
	case kind == "installation":
		a.is(applicationActivity, updated, severity)
		a.App = &product{Name: cmp.Or(d.Service.Name, d.repository(), d.Event.Provider), UID: d.repository()}
	default:
		d.call(a, kind, severity)
	}
	if s := outcome(d.Event.Outcome); s.caption != "" {
		a.status(s)
	}
}

// call makes an API Activity: somebody did something to a change.
func (d *document) call(a *attributes, kind string, severity enum) {
	does := other
	switch kind {
	case "creation":
		does = create
	case "change", "end":
		does = changing
	}
	decision, disposition := enum{}, enum{}
	switch kind {
	case "allowed":
		decision, disposition = enum{1, "Allowed"}, enum{8, "Approved"}
	case "denied":
		decision, disposition, severity = enum{2, "Denied"}, enum{25, "Rejected"}, medium
	}
	a.is(apiActivity, does, severity)
	if does == other {
		a.ActivityName = d.Event.Action
	}
	a.Resources = d.resources()
	a.Actor, a.Unmapped.User = d.actor(), nil
	a.API = &api{Operation: cmp.Or(d.Trail.Tool, d.Event.Action, "unknown")}
	if d.Service.Name != "" {
		a.API.Service = &product{Name: d.Service.Name}
	}
	a.SrcEndpoint = d.sender()
	if decision.id != 0 {
		a.Metadata.Profiles = append(a.Metadata.Profiles, "security_control")
		a.ActionID, a.Action, a.DispositionID, a.Disposition = decision.id, decision.caption, disposition.id, disposition.caption
	}
	if d.Trace.ID != "" {
		a.Metadata.Profiles = append(a.Metadata.Profiles, "trace")
		a.Trace, a.Unmapped.Trace = &named{d.Trace.ID}, nil
	}
}

// impersonation makes the finding that somebody spoke in the name of an agent with the credential
// of another.
func (d *document) impersonation(a *attributes) {
	a.is(detectionFinding, create, high)
	a.status(enum{1, "New"})
	a.IsAlert = true
	a.Resources = d.resources()
	a.FindingInfo = &findingInfo{
		UID: a.Metadata.UID, Title: d.Message, Types: []string{d.Event.Action}, CreatedTime: a.Time,
		Analytic: &analytic{Name: d.Event.Action, TypeID: 1, Type: "Rule"},
	}
	a.Evidences = []evidence{{Name: "the event that was refused", UID: d.Event.ID, SrcEndpoint: d.sender()}}
}

// actor returns who acted: a person, an agent, or otherwise the system that reports it.
func (d *document) actor() *actor {
	a := new(actor)
	if d.User.Name != "" {
		a.User = &user{d.User.Name}
	}
	if g := d.GenAI.Agent; g.ID != "" {
		a.AppName, a.AppUID = cmp.Or(g.Name, g.ID), g.ID
	}
	if *a == (actor{}) {
		a.AppName = cmp.Or(d.Event.Provider, "unknown")
	}
	return a
}

// sender returns where the event came from.
func (d *document) sender() *endpoint {
	return &endpoint{Name: d.Trail.Event.Sender, SvcName: cmp.Or(d.Event.Provider, "unknown")}
}

// outcome returns the status of an activity; the zero enum if nothing is known.
func outcome(s string) enum {
	switch s {
	case "success":
		return enum{1, "Success"}
	case "failure":
		return enum{2, "Failure"}
	case "unknown":
		return enum{0, "Unknown"}
	}
	return enum{}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
