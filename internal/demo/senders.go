package demo

import (
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/record"
)

// agentSource is the prefix of agents' sources, before the id.
const agentSource = "/acme/agents/"

// platforms maps sources to the names of the company's platforms.
var platforms = map[string]string{
	gatewayOf: identity.Own,
	codeHost:  "github",
	ci:        "github-actions",
	formerCI:  "jenkins",
	scanners:  "scanners",
	deployer:  "argo-cd",
	tickets:   "service-desk",
	gatehouse: "gate",
}

// Sender returns the principal that sends an event of the demo. Since the days are over, every
// sender imports history: an event states when it arrived.
func Sender(e event.Event) identity.Principal {
	if agent, ok := strings.CutPrefix(e.Source(), agentSource); ok {
		return identity.Principal{Name: agent, Agent: agent, History: true}
	}
	name := platforms[e.Source()]
	if e.Source() == codeHost && e.Type() == record.TypeValidationCompleted {
		name = platforms[ci] // of a pipeline that uses the code host's source
	}
	return identity.Principal{Name: name, Platform: name, History: true}
}
