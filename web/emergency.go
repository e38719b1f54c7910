package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	g "maragu.dev/gomponents"

	"github.com/changetrail/changetrail/gate"
	"github.com/changetrail/changetrail/gate/pending"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/internal/say"
	"github.com/changetrail/changetrail/internal/signin"
	"github.com/changetrail/changetrail/record"
)

// breakGlass is what the form of an order asks for.
const breakGlass = "break-glass"

// An orderForm lets a person order that a change is merged although the gate denies it. It is closed until
// the person opens it.
type orderForm struct {
	Commit  string // that the page shows
	Within  string // how soon the review must follow
	Open    bool
	Reason  field
	Refused string // why the order was not followed, if it is not because of the reason
}

// orderOf is the form of an order about a change that waits.
func orderOf(c pending.Item, f sent) *orderForm {
	o := &orderForm{Commit: c.Decision.Head, Within: say.Span(c.Emergency.ReviewWithin())}
	if o.Open = f.refused(breakGlass, string(c.Change)); !o.Open {
		return o
	}
	o.Reason = f.value("reason", "")
	if f.outcome.Failed && o.Reason.Error == "" {
		o.Refused = f.outcome.Text
	}
	return o
}

// order gives the order that a form asks for.
func (s *server) order(ctx context.Context, who signin.Person, form url.Values) (outcome, error) {
	reason := strings.TrimSpace(form.Get("reason"))
	id, err := record.ParseChange(form.Get("of"))
	switch {
	case err != nil:
		return outcome{}, refuse(http.StatusBadRequest, "%v", err)
	case reason == "":
		return outcome{}, wrong("reason", "Nothing was ordered: give a reason. Auditors read it.")
	case len(reason) > maxReason:
		return outcome{}, wrong("reason", "Nothing was ordered: the reason is longer than %d characters.", maxReason)
	}
	if err := s.mayDecideAbout(ctx, id.Repository()); err != nil {
		return outcome{}, err
	}
	d, err := s.Desk.Override(ctx, gate.Override{Change: id, Person: who.ID, Commit: form.Get("commit"), Reason: reason})
	if p := new(problem.Problem); errors.As(err, &p) && p.Status == http.StatusUnprocessableEntity {
		return outcome{}, wrong("reason", "%s", p.Detail)
	}
	if err != nil {
		return outcome{}, err
	}
	answer := "The gate denies the merge"
	if d.Allowed {
		answer = "The gate allows the merge now"
	}
	return outcome{
		Text: fmt.Sprintf("You ordered that %s may be merged at commit %s. %s: %s", d.Change, short(d.Head), answer, strings.Join(d.Reasons, " ")),
		Link: changePath(string(d.Change)), Label: "To the change",
	}, nil
}

func (o *orderForm) node(of, anchor, title, token string) g.Node {
	id := "order-" + anchor
	return el("details", g.If(o.Open, flag("open")), el("summary", text("Merge in an emergency"), hidden(": "+title)),
		el("form", attr("method", "post"), attr("action", "/inbox"), attr("class", "decide fold"),
			formToken(token), hiddenField("what", breakGlass), hiddenField("of", of), hiddenField("commit", o.Commit),
			el("p", text(fmt.Sprintf("You order that commit %s may be merged although the gate denies it. The finding break-glass follows at once and stays; what is missing stays missing. "+
				"A person other than you, who took no part in the change and did not ask for it, must review the commit within %s; otherwise the finding break-glass-overdue (critical) follows.", short(o.Commit), o.Within))),
			when(o.Refused, func(why string) g.Node { return paragraph("error", text(why)) }),
			textarea(id, "Reason", o.Reason),
			el("p", el("button", attr("class", "refuse"), text("Order the merge"), hidden(" of "+title)))))
}
