package demo

import (
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
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

// Sender is whose credential an event of the demo comes with. Since the days are over,
// each of them brings in history: an event states when it arrived.
func Sender(e event.Event) identity.Principal {
	if agent, ok := strings.CutPrefix(e.Source(), agentSource); ok {
		return identity.Principal{Name: agent, Agent: agent, History: true}
	}
	name := platforms[e.Source()]
	if e.Source() == codeHost && e.Type() == record.TypeValidationCompleted {
		name = platforms[ci] // of a pipeline that speaks under the code host's source
	}
	return identity.Principal{Name: name, Platform: name, History: true}
}
