package gateway

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-json-experiment/json"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/internal/digests"
	"github.com/changetrail/changetrail/internal/identity"
	"github.com/changetrail/changetrail/internal/problem"
	"github.com/changetrail/changetrail/record"
	"github.com/changetrail/changetrail/schemas"
)

// GitHub is how webhooks of GitHub are verified.
type GitHub struct {
	// Secrets with which it signs; several while one replaces another.
	Secrets []string
}

// GitLab is how webhooks of GitLab are verified.
type GitLab struct {
	Tokens      []string // sent with each webhook: whoever reads one can forge others
	SigningKeys []string // whsec_…, in the form of Standard Webhooks
}

// maxWebhook is the largest webhook that GitHub sends, in bytes.
const maxWebhook = 25 << 20

// github answers POST /v1/webhooks/github. The signature covers only the body: neither the name of
// the event nor the id of the delivery is signed, and there is no signed time. So the body determines
// the type of the event, and its digest is the identity of the event: a replayed delivery is the
// event that is known already. Several hooks may deliver what happened under one delivery id.
func (g *Gateway) github(w http.ResponseWriter, r *http.Request) error {
	if len(g.GitHub.Secrets) == 0 {
		return problem.New(http.StatusForbidden, "this gateway has no secret for webhooks of GitHub; set gateway.github_secret_file")
	}
	body, err := read(w, r, maxWebhook)
	if err != nil {
		return err
	}
	if !signedBy(g.GitHub.Secrets, body, r.Header.Get("X-Hub-Signature-256")) {
		return problem.New(http.StatusUnauthorized, "X-Hub-Signature-256 is not the signature of the body; does the webhook have the secret of gateway.github_secret_file?")
	}
	if !isObject(body) { // the body is signed, but Content-Type is not
		return problem.New(http.StatusUnsupportedMediaType, "the body is not a JSON object; set the webhook's Content type to application/json")
	}
	name, err := platform.GitHubType(r.Header.Get("X-GitHub-Event"), body)
	if err != nil {
		return problem.New(http.StatusUnprocessableEntity, "%v", err)
	}
	if name == "com.github.ping" {
		return writeJSON(w, map[string]any{"detail": "the webhook reaches changetrail"})
	}
	return g.webhook(w, r, webhook{who: identity.Principal{Name: "github", Platform: "github", Webhook: true}, eventType: name, delivery: r.Header.Get("X-GitHub-Delivery"), body: body, id: digests.Of(body)})
}

// isObject reports whether a body, if it is JSON, is an object.
func isObject(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) > 0 && body[0] == '{'
}

// signedBy reports whether a signature of body was made with one of secrets. It takes as long for a
// wrong signature as for a right one.
func signedBy(secrets []string, body []byte, signature string) bool {
	stated, err := hex.DecodeString(strings.TrimPrefix(signature, "sha256="))
	ok := false
	for _, s := range secrets {
		m := hmac.New(sha256.New, []byte(s))
		m.Write(body)
		ok = hmac.Equal(m.Sum(nil), stated) || ok
	}
	return ok && err == nil && strings.HasPrefix(signature, "sha256=")
}

// gitlab answers POST /v1/webhooks/gitlab. If there is a signature, it must be right, whatever the
// token is. The identity of an event is the digest of the body and of the delivery's id, which GitLab
// keeps when it resends: an approval that is given, withdrawn and given again may have the same body
// twice.
func (g *Gateway) gitlab(w http.ResponseWriter, r *http.Request) error {
	if len(g.GitLab.Tokens)+len(g.GitLab.SigningKeys) == 0 {
		return problem.New(http.StatusForbidden, "this gateway has neither a token nor a signing key for webhooks of GitLab; set gateway.gitlab_token_file or gateway.gitlab_signing_key_file")
	}
	body, err := read(w, r, maxWebhook)
	if err != nil {
		return err
	}
	if r.Header.Get(standardwebhooks.HeaderWebhookSignature) != "" {
		if err := verified(g.GitLab.SigningKeys, body, r.Header); err != nil {
			return problem.New(http.StatusUnauthorized, "webhook-signature: %v", err)
		}
	} else if !known(g.GitLab.Tokens, r.Header.Get("X-Gitlab-Token")) {
		return problem.New(http.StatusUnauthorized, "X-Gitlab-Token is not a token of this gateway, and there is no signature")
	}
	name, err := platform.GitLabType(r.Header.Get("X-Gitlab-Event"), body)
	if err != nil {
		return problem.New(http.StatusUnprocessableEntity, "%v", err)
	}
	delivery := cmp.Or(r.Header.Get(standardwebhooks.HeaderWebhookID), r.Header.Get("Idempotency-Key"))
	return g.webhook(w, r, webhook{
		who: identity.Principal{Name: "gitlab", Platform: "gitlab", Webhook: true}, eventType: name, delivery: delivery, body: body,
		id: digests.Of(append([]byte(delivery), body...)),
	})
}

// verified checks a signature of Standard Webhooks 1.0 with each key. It must not be older than five
// minutes.
func verified(keys []string, body []byte, header http.Header) error {
	err := errors.New("this gateway has no signing key for it; set gateway.gitlab_signing_key_file")
	for _, key := range keys {
		w, bad := standardwebhooks.NewWebhook(key)
		if bad != nil {
			err = bad
			continue
		}
		if err = w.Verify(body, header); err == nil {
			return nil
		}
	}
	return err
}

// known reports whether a token is one of tokens. The time that it takes reveals nothing.
func known(tokens []string, token string) bool {
	sum, ok := sha256.Sum256([]byte(token)), 0
	for _, t := range tokens {
		other := sha256.Sum256([]byte(t))
		ok |= subtle.ConstantTimeCompare(sum[:], other[:])
	}
	return ok == 1 && token != ""
}

// A webhook is one delivery that its platform sent.
type webhook struct {
	who       identity.Principal
	eventType string
	delivery  string // its id at the platform, which several hooks may share
	id        string // of the event: the digest of what the platform signed
	body      []byte
	about     []record.Repository // if the body does not name them
}

// webhook puts a delivery on the stream, unchanged: once for each repository in about, or once if
// about is empty.
func (g *Gateway) webhook(w http.ResponseWriter, r *http.Request, h webhook) error {
	key := h.who.Name + " " + h.id
	for _, repo := range h.about {
		key += " " + string(repo)
	}
	if g.recent.has(key) {
		return writeJSON(w, map[string]any{"detail": "this delivery is known already", "duplicate": true})
	}
	about := h.about
	if len(about) == 0 {
		about = []record.Repository{""} // the body names it
	}
	spooled := 0
	for _, repo := range about {
		n, err := g.acceptWebhook(r.Context(), g.delivered(h, repo), h.who)
		if refusal := schemas.AsRefusal(err); refusal != nil && refusal.Reason == schemas.NoRepository {
			g.metrics.note(h.who.Name, "no-repository")
			g.Log.Info("a webhook says nothing of a repository", "type", h.eventType, "delivery", h.delivery)
			return writeJSON(w, map[string]any{"detail": refusal.Detail + "; nothing of it is kept"}) // GitLab disables a hook whose deliveries are refused
		}
		if err != nil {
			return err // when it is sent again, the identity of accepted events prevents duplicates
		}
		spooled += n
	}
	g.recent.note(key)
	return answer(w, spooled)
}

// delivered returns the event of a delivery.
func (g *Gateway) delivered(h webhook, about record.Repository) *event.Event {
	e := event.New()
	e.SetID(h.id)
	e.SetType(h.eventType)
	e.SetSource("/" + h.who.Name) // until the repository is known
	e.SetTime(g.Now().UTC())
	e.SetDataContentType(event.ApplicationJSON)
	e.DataEncoded = h.body
	if h.delivery != "" {
		e.SetExtension("deliveryid", h.delivery)
	}
	if about != "" {
		e.SetSource("/" + h.who.Name + "/" + string(about))
		e.SetExtension("partitionkey", string(about))
	}
	e.SetExtension("contentmode", "full")
	return &e
}

func (g *Gateway) acceptWebhook(ctx context.Context, e *event.Event, who identity.Principal) (int, error) {
	read, err := g.read(ctx, e, nil)
	if refusal := schemas.AsRefusal(err); refusal != nil {
		if refusal.Reason == schemas.NoRepository {
			return 0, err
		}
		g.metrics.refuse(string(refusal.Reason))
		return 0, problem.New(http.StatusUnprocessableEntity, "%s", refusal.Detail)
	}
	if err != nil {
		return 0, unavailable(err)
	}
	if _, nothing := read.Fact.(*record.Activity); nothing {
		g.metrics.note(who.Name, "not-read")
		g.Log.Debug("a webhook adds nothing to a record", "type", e.Type(), "repository", read.Repository)
	}
	if _, named := e.Extensions()["partitionkey"]; !named { // the body itself names the repository
		e.SetSource("https://" + string(read.Repository))
	}
	e.SetExtension("partitionkey", string(read.Repository))
	if read.Change != "" {
		e.SetSubject(string(read.Change))
	}
	g.sign(ctx, e, who)
	return g.publish(ctx, []event.Event{*e})
}

func writeJSON(w http.ResponseWriter, what map[string]any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.MarshalWrite(w, what, json.Deterministic(true))
}

// recentDeliveries is how many deliveries are recognized here if they come again. Older ones are
// recognized later, by the identity of their event.
const recentDeliveries = 10_000

// recent remembers the newest deliveries.
type recent struct {
	size  int
	mu    sync.Mutex
	known map[string]*list.Element
	order *list.List
}

func newRecent(size int) *recent {
	return &recent{size: size, known: make(map[string]*list.Element), order: list.New()}
}

func (r *recent) has(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[key] != nil
}

func (r *recent) note(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[key] == nil {
		r.known[key] = r.order.PushFront(key)
	}
	for len(r.known) > r.size {
		oldest := r.order.Back()
		delete(r.known, oldest.Value.(string))
		r.order.Remove(oldest)
	}
}
