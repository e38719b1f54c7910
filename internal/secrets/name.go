package secrets

import (
	"strings"
	"sync"
)

// nameWords occur in the names of secrets.
var nameWords = []string{"pass", "pw", "secret", "token", "key", "cred", "auth", "psk", "jwt", "mnemonic", "_pat", "bearer"}

// A nameKind says how certainly a name means that its value is secret.
type nameKind int

const (
	noSecret  nameKind = iota
	keyKind            // keys of unknown kind: the value must look random
	authKind           // auth: base64 of user and password, as in Docker's configuration
	tokenKind          // tokens, secrets, API keys: any value but a plain word
	passKind           // passwords: any value
)

const maxName = 96

// nameAround returns the place of the name around a keyword that begins at start.
func nameAround(lower string, start int) (from, to int) {
	from, to = start, start
	for from > 0 && start-from < maxName && nameByte(lower[from-1]) {
		from--
	}
	for to < len(lower) && to-start < maxName && nameByte(lower[to]) {
		to++
	}
	if from > 0 && lower[from-1] == '\\' && from < start && strings.IndexByte("nrt", lower[from]) >= 0 {
		from++ // the n of \n in escaped text
	}
	for from < to && !letterOrDigit(lower[from]) && lower[from] != '_' {
		from++
	}
	for to > from && (lower[to-1] == '.' || lower[to-1] == '-') {
		to--
	}
	return from, to
}

func nameByte(c byte) bool { return letterOrDigit(c) || c == '_' || c == '-' || c == '.' }

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// parts splits a name at its separators, digits and capitals: APIKey2 is api, key, 2.
func parts(name string) (out []string) {
	class := func(c byte) int {
		switch {
		case c >= 'a' && c <= 'z':
			return 1
		case c >= 'A' && c <= 'Z':
			return 2
		case c >= '0' && c <= '9':
			return 3
		}
		return 0
	}
	start := 0
	cut := func(i int) {
		if i > start {
			out = append(out, strings.ToLower(name[start:i]))
		}
		start = i
	}
	for i := range len(name) {
		c := class(name[i])
		switch {
		case c == 0:
			cut(i)
			start = i + 1
		case i == start:
		case class(name[i-1]) == 2 && c == 1:
			if i-1 > start {
				cut(i - 1)
			}
		case class(name[i-1]) != c:
			cut(i)
		}
	}
	cut(len(name))
	return out
}

func set(words string) func() map[string]bool {
	return sync.OnceValue(func() map[string]bool {
		out := make(map[string]bool)
		for _, w := range strings.Fields(words) {
			out[w] = true
		}
		return out
	})
}

// hasNameWord is a cheap check whether a name may be the name of a secret.
func hasNameWord(name string) bool {
	lower := lowered(name)
	for _, w := range nameWords {
		if strings.Contains(lower, w) {
			return true
		}
	}
	return strings.HasSuffix(lower, "pat")
}

// kindOf returns what a name says about its value.
func kindOf(name string) nameKind {
	if len(name) > maxName*2 || !hasNameWord(name) {
		return noSecret
	}
	p := parts(name)
	for len(p) > 1 && (qualifiers()[p[len(p)-1]] || p[len(p)-1][0] <= '9') {
		p = p[:len(p)-1]
	}
	if len(p) == 0 {
		return noSecret
	}
	last, before := p[len(p)-1], ""
	if len(p) > 1 {
		before = p[len(p)-2]
	}
	ends := func(words ...string) bool {
		for _, w := range words {
			if strings.HasSuffix(last, w) {
				return true
			}
		}
		return false
	}
	switch {
	case ends("password", "passwd", "passphrase", "passcode", "passwort", "pwd", "psk", "mnemonic") || last == "pw" || last == "pass" || ofPass()[last] || before == "pass" && (last == "phrase" || last == "word" || last == "code"):
		return passKind
	case ends("token", "tokens"):
		if noTokens()[before] {
			return noSecret
		}
		return tokenKind
	case ends("secret", "secrets", "credential", "credentials", "creds", "apikey", "secretkey", "accesskey", "privatekey", "authkey", "signingkey", "encryptionkey", "masterkey", "accountkey", "jwt") || last == "pat" && ofPat()[before] || last == "bearer" || last == "cred" && before != "":
		return tokenKind
	case last == "key" || last == "keys":
		switch {
		case ofKeys()[before]:
			return tokenKind
		case before == "" || noKeys()[before]:
			return noSecret
		}
		return keyKind
	case last == "auth":
		return authKind
	}
	return noSecret
}

var (
	// qualifiers distinguish several secrets of the same kind.
	qualifiers = set("old new prod production dev test testing staging live value val plain plaintext cleartext base64 b64 raw string str default current previous primary secondary main backup base v")
	// ofKeys are words before key that make it a secret.
	ofKeys = set("api secret access private encryption signing auth master account service client license deploy ssh storage shared webhook session hmac aes jwt admin write app application consumer crypto cipher rsa ed25519 stamp redaction sas subscription integration function host root server install registration management ingest dsa ecdsa tls ssl pgp gpg enc decryption sign api")
	// noKeys are words before key that make it public.
	noKeys = set("public pub primary foreign cache partition sort idempotency unique index natural composite surrogate sequence routing row hash map lookup group bucket schema hot host_key object dictionary dict json s3 registry shortcut arrow press hotkey translation message i18n issue project jira config setting property query param header context storage_key etag sync dedup deduplication concurrency order join on range start end last first next prev min max tree parent child field column enter escape esc tab space return any each per the a same other given this that")
	// noTokens are words before token that make it a token of a text or of a list.
	noTokens = set("next page pagination continuation sync cancellation cancel stop end eos bos pad unk sep cls mask max min special start line lex unexpected last first prev peek look ahead invalid missing unknown expected illegal bad syntax number public input output prompt completion total used per a the each design id")
	// ofPass are the words ending in pass that are names of passwords.
	ofPass = set("dbpass userpass mypass smtppass ftppass sshpass rootpass adminpass mysqlpass pgpass redispass mailpass emailpass ldappass proxypass keypass storepass keystorepass mongopass wifipass passin passout requirepass masterauth")
	// ofPat are words before pat that make it a token.
	ofPat = set("github gh gitlab azure ado devops git ghcr my user bot ci access personal jira docker")
)
