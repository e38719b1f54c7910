package demo

import (
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/identity"
	"github.com/changetrail/changetrail/schemas"
)

// agentSource is the beginning of the sources of agents, before their id.
const agentSource = "/acme/agents/"

// platforms are the names of the company's platforms, by their sources.
var platforms = map[string]string{
	gatewayOf: identity.Own,
	codeHost:  "github",
	ci:        "github-actions",
	scanners:  "scanners",
	deployer:  "argo-cd",
	tickets:   "service-desk",
	gatehouse: "gate",
}

// Sender is whose credential an event of the demo comes with, as the event says. Since the
// days are over, each of them brings in history: an event states when it arrived.
func Sender(e event.Event) identity.Principal {
	kind, _ := e.Extensions()["authtype"].(string)
	name, _ := e.Extensions()["authid"].(string)
	who := identity.Principal{Name: name, History: true}
	if kind == schemas.AuthService {
		who.Agent = name
	} else {
		who.Platform = name
	}
	return who
}

// sentBy says on an event who sends it: the agent or the platform whose source it has,
// unless an agent uses the source of another.
func sentBy(e *event.Event, agent string) {
	own, ok := strings.CutPrefix(e.Source(), agentSource)
	switch {
	case agent != "":
		e.SetExtension("authtype", schemas.AuthService)
		e.SetExtension("authid", agent)
	case ok:
		e.SetExtension("authtype", schemas.AuthService)
		e.SetExtension("authid", own)
	default:
		e.SetExtension("authtype", schemas.AuthSystem)
		e.SetExtension("authid", platforms[e.Source()])
	}
}
