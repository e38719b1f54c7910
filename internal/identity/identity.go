package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/changetrail/changetrail/internal/mistake"
	"github.com/changetrail/changetrail/internal/settings"
	"github.com/changetrail/changetrail/internal/strictyaml"
)

// A Principal is who sent a request. At most one of Agent, Platform and Person is set; if none is,
// it is an anonymous client.
type Principal struct {
	Name     string // of the credential
	Agent    string // the agent that it is bound to
	Platform string // code host, CI system, scanner
	Person   string // account

	Repositories []string // patterns of those it may send events about, such as github.com/acme/*; empty means all
	Rate         float64  // events a second; the gateway's default where 0
	May          []string // of a platform: the kinds of facts that it may state; all where empty
	History      bool     // its events may state when they arrived
	Webhook      bool     // it is the webhook of Platform, whose signature was verified
}

// Own is the name under which gateways send their own events. No credential has it.
const Own = "gateway"

// MayReportAbout reports whether p's events may be about a repository.
func (p Principal) MayReportAbout(repository string) bool {
	repository = strings.ToLower(repository) // code hosts ignore case
	for _, pattern := range p.Repositories {
		pattern = strings.ToLower(pattern)
		if ok, _ := path.Match(pattern, repository); ok {
			return true
		}
		if group, ok := strings.CutSuffix(pattern, "/**"); ok && strings.HasPrefix(repository, group+"/") {
			return true
		}
	}
	return len(p.Repositories) == 0
}

// ReadsAll reports whether p may read the records of every repository: a platform or a person may
// if its credential lists none. An agent may only read those that its credential lists.
func (p Principal) ReadsAll() bool {
	return (p.Platform != "" || p.Person != "") && len(p.Repositories) == 0
}

// MayRead reports whether p may read the records of a repository.
func (p Principal) MayRead(repository string) bool {
	return p.ReadsAll() || len(p.Repositories) > 0 && repository != "" && p.MayReportAbout(repository)
}

// OnlyRepository is the one repository that p may send events about, in lower case; "" if there are
// several.
func (p Principal) OnlyRepository() string {
	if len(p.Repositories) != 1 || strings.ContainsAny(p.Repositories[0], "*?[") {
		return ""
	}
	return strings.ToLower(p.Repositories[0])
}

// who is the part of each kind of credential that describes its owner.
type who struct {
	Name         string   `yaml:"name"`
	Agent        string   `yaml:"agent"`
	Platform     string   `yaml:"platform"`
	Person       string   `yaml:"person"`
	Repositories []string `yaml:"repositories"`
	Rate         float64  `yaml:"rate"`
	May          []string `yaml:"may"`
	History      bool     `yaml:"history"`
}

func (w who) principal() Principal {
	return Principal{Name: w.Name, Agent: w.Agent, Platform: w.Platform, Person: w.Person, Repositories: w.Repositories, Rate: w.Rate, May: w.May, History: w.History}
}

func (w who) check() error {
	n := 0
	for _, s := range []string{w.Agent, w.Platform, w.Person} {
		if s != "" {
			n++
		}
	}
	switch {
	case w.Name == "":
		return errors.New("it has no name")
	case n != 1:
		return errors.New("set who it is: one of agent, platform, person")
	case w.Rate < 0:
		return errors.New("rate is below 0")
	case w.Platform == Own:
		return fmt.Errorf("platform %s is changetrail itself; choose another name", Own)
	case len(w.May) > 0 && w.Platform == "":
		return errors.New("may is for platforms: an agent states its own decisions and actions, a person their own reviews and approvals")
	}
	if err := settings.CheckKinds(w.May); err != nil {
		return err
	}
	for _, p := range w.Repositories {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("repositories: %q is not a pattern, for example github.com/acme/*", p)
		}
	}
	return nil
}

// A token is an entry under tokens in credentials.yaml.
type token struct {
	who     `yaml:",inline"`
	SHA256  string    `yaml:"sha256"`
	Expires time.Time `yaml:"expires"`
}

// A certificate is identified by its subject or by one of its alternative names, which its issuer
// verified.
type certificate struct {
	who     `yaml:",inline"`
	Subject string `yaml:"subject"` // common name
	SAN     string `yaml:"san"`     // URI (spiffe://…), DNS name or mail address
}

type file struct {
	Tokens       []token       `yaml:"tokens"`
	Certificates []certificate `yaml:"certificates"`
	OIDC         []issuer      `yaml:"oidc"`
}

// Credentials are the credentials that a gateway accepts.
type Credentials struct {
	tokens       map[[sha256.Size]byte]token
	certificates []certificate
	issuers      []issuer
	now          func() time.Time
}

// Parse reads credentials.yaml; an empty text means no credentials. Its error lists every mistake.
func Parse(text []byte) (*Credentials, error) {
	var f file
	if err := strictyaml.Decode(text, &f); err != nil {
		return nil, err
	}
	c := &Credentials{tokens: make(map[[sha256.Size]byte]token), certificates: f.Certificates, now: time.Now}
	var errs []error
	names := make(map[string]bool)
	check := func(what string, i int, w who, more error) {
		at := fmt.Sprintf("%s[%d]", what, i)
		if err := errors.Join(w.check(), more); err != nil {
			errs = append(errs, mistake.At(at, "%s (%s): %s", at, w.Name, strings.ReplaceAll(err.Error(), "\n", "; ")))
		}
		if w.Name != "" && names[w.Name] {
			errs = append(errs, mistake.At(at+".name", "%s: another credential has the name %s", at, w.Name))
		}
		names[w.Name] = true
	}
	for i, t := range f.Tokens {
		digest, err := hex.DecodeString(strings.TrimPrefix(t.SHA256, "sha256:"))
		if err != nil || len(digest) != sha256.Size {
			check("tokens", i, t.who, errors.New("sha256 is not a SHA-256 digest in hex; changetrail gateway token prints one"))
			continue
		}
		check("tokens", i, t.who, nil)
		c.tokens[[sha256.Size]byte(digest)] = t
	}
	for i, t := range f.Certificates {
		var err error
		if (t.Subject == "") == (t.SAN == "") {
			err = errors.New("set what identifies it: subject or san")
		}
		check("certificates", i, t.who, err)
	}
	keys := make(map[[2]string]*keySet) // several entries may trust one issuer
	for i := range f.OIDC {
		o := &f.OIDC[i]
		place := [2]string{o.Issuer, o.JWKS}
		if keys[place] == nil {
			keys[place] = newKeySet(o.Issuer, o.JWKS)
		}
		o.keys = keys[place]
		check("oidc", i, o.who, o.prepare())
	}
	c.issuers = f.OIDC
	return c, strictyaml.Locate(text, errors.Join(errs...))
}

// Any reports whether there are credentials. With a file that lists none, nobody gets in.
func (c *Credentials) Any() bool {
	return c != nil && len(c.tokens)+len(c.certificates)+len(c.issuers) > 0
}

// ErrNone reports a request without a credential.
var ErrNone = errors.New("no credential: send Authorization: Bearer with a token, or a client certificate")

// Authenticate returns who sent r. Its errors say what is wrong with the credential, and nothing
// that helps to guess one.
func (c *Credentials) Authenticate(r *http.Request) (Principal, error) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, value, _ := strings.Cut(h, " ")
		value = strings.TrimSpace(value)
		if !strings.EqualFold(scheme, "Bearer") || value == "" {
			return Principal{}, errors.New("the header Authorization is not of the form Bearer TOKEN")
		}
		return c.ByToken(r.Context(), value)
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return c.byCertificate(r.TLS.PeerCertificates[0])
	}
	return Principal{}, ErrNone
}

// ByToken returns the owner of a token: a listed one, or one of an OIDC issuer.
func (c *Credentials) ByToken(ctx context.Context, value string) (Principal, error) {
	if strings.Count(value, ".") == 2 && strings.HasPrefix(value, "eyJ") {
		return c.byIssuer(ctx, value)
	}
	return c.byToken(value)
}

func (c *Credentials) byToken(value string) (Principal, error) {
	return c.Owner(sha256.Sum256([]byte(value))) // found by digest: the time that it takes reveals nothing about the token
}

// SignIn returns the owner of a token with which somebody signs in at a browser, and the digest of
// the token, for [Credentials.Owner]. Tokens of OIDC issuers belong to jobs, which need no session.
func (c *Credentials) SignIn(value string) (who Principal, digest [sha256.Size]byte, err error) {
	digest = sha256.Sum256([]byte(value))
	if who, err = c.Owner(digest); err == nil && who.Agent != "" {
		err = fmt.Errorf("the token %s belongs to an agent: agents send it with each request; sign in with the token of a person or a platform", who.Name)
	}
	if err != nil {
		return Principal{}, digest, err
	}
	return who, digest, nil
}

// Owner returns the owner of the token with a digest, if the token is valid now.
func (c *Credentials) Owner(digest [sha256.Size]byte) (Principal, error) {
	t, ok := c.tokens[digest]
	switch {
	case !ok:
		return Principal{}, errors.New("the token is unknown")
	case !t.Expires.IsZero() && c.now().After(t.Expires):
		return Principal{}, fmt.Errorf("the token %s expired on %s", t.Name, t.Expires.Format(time.DateOnly))
	}
	return t.principal(), nil
}

func (c *Credentials) byCertificate(cert *x509.Certificate) (Principal, error) {
	for _, k := range c.certificates {
		if k.Subject != "" && k.Subject == cert.Subject.CommonName || k.SAN != "" && slices.Contains(namesLike(k.SAN, cert), k.SAN) {
			return k.principal(), nil
		}
	}
	return Principal{}, fmt.Errorf("the certificate of %s is valid, but no credential names it", cert.Subject)
}

// namesLike returns the alternative names of a certificate that have the same kind as san. An
// issuer verifies each kind differently: a DNS name that looks like a URI is not a URI.
func namesLike(san string, cert *x509.Certificate) []string {
	switch {
	case strings.Contains(san, ":"):
		var uris []string
		for _, u := range cert.URIs {
			uris = append(uris, u.String())
		}
		return uris
	case strings.Contains(san, "@"):
		return cert.EmailAddresses
	}
	return cert.DNSNames
}

func (c *Credentials) byIssuer(ctx context.Context, raw string) (Principal, error) {
	claimed, err := claimedIssuer(raw)
	if err != nil {
		return Principal{}, err
	}
	var errs []error
	for i := range c.issuers {
		if c.issuers[i].Issuer != claimed {
			continue
		}
		p, err := c.issuers[i].verify(ctx, raw)
		if err == nil {
			return p, nil
		}
		errs = append(errs, err)
	}
	if errs == nil {
		return Principal{}, errors.New("the issuer of the OIDC token is not trusted here")
	}
	return Principal{}, errors.Join(errs...)
}

// NewToken returns a new token and the digest that represents it in credentials.yaml.
func NewToken() (value, digest string) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	value = "ct_" + base64.RawURLEncoding.EncodeToString(b)
	sum := sha256.Sum256([]byte(value))
	return value, hex.EncodeToString(sum[:])
}
