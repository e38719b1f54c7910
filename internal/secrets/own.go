package secrets

import (
	"encoding/base64"
	"strings"
)

// The rules that are not from gitleaks.
const (
	urlCredentials = "url-credentials"
	authorization  = "authorization"
	knownToken     = "known-token"
)

// An ourRule is a rule beside those of gitleaks, for secrets without a name beside the value and
// without a vendor's format.
type ourRule struct {
	id       string
	keywords []string
	regex    string
	near     func(lower string, end int) bool
	accept   func(secret string) bool
}

// ourRules are data, as those of gitleaks: none is compiled when a program starts.
var ourRules = []ourRule{
	{
		id: urlCredentials, keywords: []string{"://"}, near: atWithin300,
		regex: `(?i)[a-z][a-z0-9+.-]{0,30}://[^\s/:@"'<>\x60]{0,200}:([^\s"'<>\x60]{1,200})@`, accept: password,
	},
	{
		// a token in place of the user
		id: urlCredentials, keywords: []string{"://"}, near: atWithin200,
		regex: `(?i)(?:https?|wss?|ftp|oci|git\+https?)://([^\s/:@"'<>\x60]{12,200}):?@`, accept: machineMade,
	},
	{
		id: urlCredentials, keywords: []string{"jdbc:"},
		regex: `(?i)jdbc:oracle:\w{1,10}:[^\s/@]{1,100}/([^\s@"']{1,100})@`, accept: password,
	},
	{
		id: authorization, keywords: []string{"authorization"}, near: assigned,
		regex: `(?i)authorization(?:["'\\]{0,3}[ \t]{0,8}[:=][ \t]{0,8}["'\\]{0,3}|["'\\]{1,3}[ \t]{0,8},[ \t]{0,8}["'\\]{1,3})(?:(?:bearer|basic|token|apikey|api-key|digest|negotiate|ntlm|hawk|splunk|bot|oauth|ssws|aws4-hmac-sha256|key|genie-?key|sso-key|bolt|dpop|signature|privatekey)(?:[ \t]{1,4}|%20|:))?["']?([^\s"'\\][^\r\n"'\\]{2,})`, accept: credential,
	},
	{
		id: authorization, keywords: []string{"digest "},
		regex: `(?i)authorization["'\\]{0,3}[ \t]{0,8}[:=][ \t]{0,8}["'\\]{0,3}digest[ \t]{1,4}([^\r\n]{10,})`,
	},
	{
		id: authorization, keywords: []string{"bearer"}, near: valueFollows,
		regex: `(?i)\bbearer(?:[ \t:=]{1,4}|%20|"[ \t]{0,4},[ \t]{0,4}")["']?([a-z0-9._~+/=|-]{8,})`, accept: machineMade,
	},
	{
		id: authorization, keywords: []string{"basic"}, near: basicFollows,
		regex: `(?i)\bbasic[ \t:]{1,4}([a-z0-9+/_-]{6,}={0,2})`, accept: basic,
	},
	{
		id: "cookie", keywords: []string{"cookie"}, near: assigned,
		regex: `(?i)cookies?(?:["'\\]{0,3}[ \t]{0,8}[:=][ \t]{0,8}["'\\]{0,3}|["'\\]{1,3}[ \t]{0,8},[ \t]{0,8}["'\\]{1,3})([\w.%-]{1,100}=[^\r\n"'\\]{3,})`,
	},
	{
		id: "cookie", keywords: []string{"sessid", "sessionid", "connect.sid", ".sid="},
		regex: `(?i)(?:sessid|sessionid|\bconnect\.sid|\.sid)=([\w%.+/=-]{16,300})`, accept: machineMade,
	},
	{
		id: "cookie", keywords: []string{"curl"},
		regex: `\bcurl\b[^\n]{0,400}?\s(?:-b|--cookie)[ =]?["']?([\w.-]{1,80}=[^\s"']{3,})`,
	},
	{
		id: "command-credentials", keywords: []string{"curl", "wget", "http", "xh"}, near: argumentsFollow,
		regex: `\b(?:curl|https?|wget|xh)\b[^\n]{0,400}?[ \t](?:-[a-zA-Z]{0,6}u|--user|-a|--auth|-U|--proxy-user)(?:[ \t]{1,4}|=)?(?:"[^\s:"/]{0,200}:([^"]{2,200})"|'[^\s:'/]{0,200}:([^']{2,200})'|[^\s:'"/]{0,200}:([^\s"'/|;&]{2,200}))`, accept: password,
	},
	{
		id: "command-credentials", keywords: []string{"mysql", "mariadb"},
		regex: `\b(?:mysql|mariadb)[\w-]{0,20}\b[^\n|;&]{0,400}?[ \t]-p(?:"([^"\n]{1,200})"|'([^'\n]{1,200})'|([^\s'"|;&-][^\s'"|;&]{0,200}))`, accept: password,
	},
	{
		id: "command-credentials", keywords: []string{"sshpass", "docker login", "podman login", "buildah login", "skopeo login", "helm registry login", "oras login", "az login", "redis-cli", "valkey-cli", "ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami", "mongo", "cqlsh", "sqlcmd", "7z", "zip", "unzip", "mosquit", "amqp-", "rabbitmqadmin", "ipmitool", "sqlplus", "bcp ", "nmcli", "ansible", "vault login", "consul", "doctl", "ngrok", "htpasswd", "winexe", "wpa_passphrase", "snmpwalk", "smbclient", "rclone", "restic"},
		regex: `\b(?:(?:sshpass|docker|podman|buildah|skopeo|helm|oras|az|mongo\w{0,10}|cqlsh|7z|mosquit{2}o_\w{3}|rabbitmqadmin|nmcli|rclone)\b[^\n|;&]{0,300}?[ \t]-p[ \t]?|(?:redis-cli|valkey-cli)\b[^\n|;&]{0,300}?[ \t]-a[ \t]{1,4}|ldap\w{3,8}\b[^\n|;&]{0,300}?[ \t]-w[ \t]?|(?:sqlcmd|bcp|zip|unzip|ipmitool)\b[^\n|;&]{0,300}?[ \t]-P[ \t]?|ngrok\b[^\n|;&]{0,60}?authtoken[ \t]{1,4}|vault login[ \t]{1,4}|htpasswd[ \t]{1,4}-[a-zA-Z]{0,6}b[a-zA-Z]{0,6}[ \t]{1,4}\S{1,100}[ \t]{1,4}\S{1,60}[ \t]{1,4}|smbclient\b[^\n|;&]{0,200}?[ \t]-U[ \t]?[^\s%]{1,60}%|wpa_passphrase[ \t]{1,4}\S{1,60}[ \t]{1,4}|sqlplus\b[^\n|;&]{0,60}?[ \t][\w.]{1,60}/)(?:"([^"\n]{3,200})"|'([^'\n]{3,200})'|([^\s'"|;&-][^\s'"|;&@]{2,200}))`, accept: commandPassword,
	},
	{
		id: "command-credentials", keywords: []string{"pass:"},
		regex: `(?:-pass(?:in|out)?|-k)[ \t=]{1,4}["']?pass:([^\s"']{1,200})`, accept: password,
	},
	{
		id: "netrc", keywords: []string{"login"},
		regex: `(?i)\blogin[ \t\r\n]{1,8}[^\s]{1,200}[ \t\r\n]{1,8}password[ \t\r\n]{1,8}([^\s"']{1,400})`, accept: password,
	},
	{
		id: "netrc", keywords: []string{"machine"},
		regex: `(?i)\bmachine[ \t\r\n]{1,8}[^\s]{1,200}[ \t\r\n]{1,8}(?:login[ \t\r\n]{1,8}[^\s]{1,200}[ \t\r\n]{1,8})?(?:account[ \t\r\n]{1,8}[^\s]{1,200}[ \t\r\n]{1,8})?password[ \t\r\n]{1,8}([^\s"']{1,400})`, accept: password,
	},
	{id: "pgpass", keywords: []string{":5432:"}, regex: `(?m)^[\w.*-]{1,200}:5432:[^\s:]{1,100}:[^\s:]{1,100}:([^\s]{1,200})`, accept: password},
	{
		id: "command-credentials", keywords: []string{"useradd", "usermod", "openssl", "lftp", "net use", "net user", "signtool"},
		regex: `\b(?:(?:useradd|usermod)\b[^\n|;&]{0,200}?[ \t]-p[ \t]{1,4}|openssl\b[^\n|;&]{0,200}?[ \t]-[kK][ \t]{1,4}|lftp\b[^\n|;&]{0,200}?[ \t]-u[ \t]{1,4}[^\s,]{1,100},|net use\b[^\n|;&]{0,200}?/user:\S{1,100}[ \t]{1,4}|net user[ \t]{1,4}\S{1,60}[ \t]{1,4}|signtool\b[^\n|;&]{0,200}?[ \t]/p[ \t]{1,4})["']?([^\s'"|;&/-][^\s'"|;&]{2,200})`, accept: commandPassword,
	},
	{
		id: "quoted-credentials", keywords: []string{"credential"},
		regex: `(?i)credentials?\([ \t]{0,4}["'][^"'\n]{1,100}["'][ \t]{0,4},[ \t]{0,4}["']([^"'\n]{3,200})["']`, accept: password,
	},
	{id: "sql-password", keywords: []string{"set password"}, regex: `(?i)\bset[ \t]{1,4}password[ \t]{1,4}for[ \t]{1,4}[^\s=]{1,100}[ \t]{0,4}=[ \t]{0,4}(?:password\()?['"]([^'"\n]{1,200})['"]`, accept: password},
	{
		id: "sql-password", keywords: []string{"identified"},
		regex: `(?i)\bidentified[ \t]{1,4}(?:with[ \t]{1,4}['"\w]{1,60}[ \t]{1,4})?(?:by|as)[ \t]{1,4}(?:password[ \t]{1,4})?['"]([^'"\n]{1,200})['"]`, accept: password,
	},
	{id: "jwt", keywords: []string{"eyj"}, regex: `eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3}`},
	{
		id: "aws-secret-key", keywords: []string{"akia", "asia"},
		regex: `\b(?:AKIA|ASIA)[A-Z0-9]{12,20}\b(?s:.){0,300}?[^A-Za-z0-9/+]([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|\z)`, accept: mixed,
	},
	{id: "signed-url", keywords: []string{"sig=", "signature="}, regex: `(?i)[?&;](?:sig|signature|x-amz-signature|x-goog-signature)=([\w%+/=-]{16,1000})`},
	{id: "signed-url", keywords: []string{"sharedaccesssignature"}, regex: `(?i)sharedaccesssignature[ \t]?[=:][ \t]?["']?([^\s"';]{16,1000})`},
	{id: "webhook-url", keywords: []string{"hooks.slack"}, regex: `hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{20,200})`},
	{id: "webhook-url", keywords: []string{"/webhooks/"}, regex: `discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/(\d{5,25}/[\w-]{20,200})`},
	{id: "webhook-url", keywords: []string{"webhook.office.com", "logic.azure.com"}, regex: `(?:webhook\.office\.com/webhookb2|logic\.azure\.com[:\d]{0,6}/workflows)/([\w@./?&=%-]{30,600})`},
	{id: "telegram-bot-token", keywords: []string{":aa"}, regex: `\b\d{6,12}:AA[\w-]{30,40}`},
	{id: "twilio-auth-token", keywords: []string{"twilio"}, regex: `(?i)twilio[^\n]{0,200}?[^a-z0-9]([0-9a-f]{32})\b`},
	{id: "twilio-auth-token", keywords: []string{"ac"}, regex: `\bAC[0-9a-f]{32}["':, \t]{1,6}(?:\w{0,20}["' \t:=]{1,6})?([0-9a-f]{32})\b`},
	{id: knownToken, keywords: []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}, regex: `gh[pousr]_[0-9A-Za-z]{30,251}`},
	{id: knownToken, keywords: []string{"github_pat_", "glpat-", "gldt-", "glrt-", "glptt-", "gloas-", "glsoat-", "glcbt-", "glagent-"}, regex: `(?:github_pat_|gl(?:pat|dt|rt|ptt|oas|soat|cbt|agent)-)[\w.-]{20,300}`},
	{id: knownToken, keywords: []string{"xoxb", "xoxp", "xoxa", "xoxr", "xoxs", "xoxo", "xoxe", "xoxc", "xoxd", "xapp-"}, regex: `(?:xox[abceoprsd][.-]|xapp-)[\w.%-]{10,300}`},
	{id: knownToken, keywords: []string{"sk-", "sk_", "rk_", "pk_live", "whsec_"}, regex: `\b(?:sk-[A-Za-z0-9_-]{20,300}|(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,250}|whsec_[A-Za-z0-9+/=]{16,200})`, accept: hasDigit},
	{
		id: knownToken, keywords: []string{"npm_", "pypi-", "rubygems_", "dckr_pat_", "dop_v1_", "hf_", "gsk_", "lin_api_", "figd_", "ntn_", "nfp_", "pul-", "shpat_", "shpss_", "hvs.", "hvb.", "atlasv1", "patm_", "rdme_", "sntrys_", "sntryu_", "glsa_", "glc_", "phc_", "phx_", "tskey-", "cfut_", "crates", "cio", "sq0csp-", "sq0atp-", "ya29.", "1//0", "aiza", "atatt", "atctt", "sbp_", "vercel_", "pscale_", "doo_v1_", "dor_v1_", "r8_", "nvapi-", "pplx-", "xai-", "oy2"},
		regex: `\b(?:(?:npm|dckr_pat|hf|gsk|lin_api|figd|ntn|nfp|rubygems|do[por]_v1|sbp|pscale_(?:tkn|pw|oauth)|r8|shp(?:at|ss|ca|pa)|glsa|glc|phx|rdme|sntry[su])_[\w.=-]{20,300}|(?:pypi-|nvapi-|pplx-|xai-|tskey-(?:api|auth)-|sq0(?:csp|atp)-|pul-|hv[sb]\.|ya29\.|AIza|AT[AC]TT3?)[\w.=-]{20,1000}|1//0[\w-]{30,200}|cio[A-Za-z0-9]{32}\b|oy2[a-z0-9]{43}\b|[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{50,80})`, accept: hasDigit,
	},
	{id: "sendgrid-token", keywords: []string{"sg."}, regex: `\bSG\.[\w-]{16,32}\.[\w-]{30,64}`},
	{id: "mail-token", keywords: []string{"key-"}, regex: `\bkey-[0-9a-f]{32}\b`},
	{id: "mail-token", keywords: []string{"-us"}, regex: `\b[0-9a-f]{32}-us\d{1,2}\b`},
	{id: "aws-access-token", keywords: []string{"akia", "asia", "abia", "acca"}, regex: `\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b`, accept: hasDigit},
	{id: "discord-token", keywords: []string{"."}, near: discordForm, regex: `\b[MNO][A-Za-z\d_-]{23,27}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,45}\b`},
	{
		// gitleaks asks only that the text has the word airtable somewhere, perhaps far away
		id: "airtable-token", keywords: []string{"pat"}, near: airtableForm,
		regex: `\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b`,
	},
	{
		id: "password-hash", keywords: []string{"$2a$", "$2b$", "$2y$", "$6$", "$5$", "$argon2", "$y$", "$apr1$", "{ssha}", "scram-sha-256$"},
		regex: `(?i)(?:\$(?:2[aby]|[56y]|apr1)\$[./a-z0-9$=,]{16,200}|\$argon2\w{1,2}\$[^\s"']{20,300}|\{ssha\}[a-z0-9+/=]{20,100}|scram-sha-256\$[^\s"']{20,300})`,
	},
	{id: "password-prompt", keywords: []string{"echo", "printf"}, regex: `\b(?:echo|printf)[ \t]{1,4}(?:-n[ \t]{1,4})?(?:"([^"\n]{3,200})"|'([^'\n]{3,200})'|([^\s'"|;&$]{3,200}))[ \t]{0,4}\|[ \t]{0,4}(?:sudo[ \t]{1,4}-S|[^\n|;&]{0,100}(?:--password-stdin|--with-token|passwd[ \t]{1,4}--stdin|chpasswd))`, accept: password},
	{id: "here-string", keywords: []string{"<<<"}, regex: `(?:--password-stdin|--with-token|sudo[ \t]{1,4}-S)[^\n]{0,100}<<<[ \t]{0,4}["']?([^\s"']{3,200})`, accept: password},
}

// Checks of what must follow a keyword that ends at end.
func valueFollows(lower string, end int) bool    { return follows(lower, end, " \t:=%\"'\\") }
func basicFollows(lower string, end int) bool    { return follows(lower, end, " \t:\\") }
func argumentsFollow(lower string, end int) bool { return follows(lower, end, " s\\") }
func atWithin200(lower string, end int) bool     { return within(lower, end, "@", 200) }
func atWithin300(lower string, end int) bool     { return within(lower, end, "@", 300) }

// follows reports whether one of some characters is at end.
func follows(lower string, end int, characters string) bool {
	return end < len(lower) && strings.IndexByte(characters, lower[end]) >= 0
}

// within reports whether a text is in the n bytes from end.
func within(lower string, end int, text string, n int) bool {
	return strings.Contains(lower[end:min(len(lower), end+n)], text)
}

// assigned reports whether the name that ends at end may have a value.
func assigned(lower string, end int) bool {
	rest := strings.TrimLeft(lower[end:min(len(lower), end+24)], "s\"'\\ \t")
	return rest != "" && strings.IndexByte(":=,", rest[0]) >= 0
}

// discordForm reports whether a dot ends the first part of a token of Discord.
func discordForm(lower string, end int) bool {
	if end < 25 || end+7 > len(lower) || lower[end+6] != '.' {
		return false
	}
	for i := end - 24; i < end+6; i++ {
		if i != end-1 && !wordByte[lower[i]] {
			return false
		}
	}
	return true
}

// airtableForm reports whether a dot ends the first part of a token of Airtable.
func airtableForm(lower string, end int) bool {
	return end+14 < len(lower) && lower[end+14] == '.'
}

// password reports whether a text is a value and not a placeholder.
func password(text string) bool { return text != "" && !placeholder().MatchString(text) }

func commandPassword(text string) bool {
	return password(text) && !path().MatchString(text) && !number().MatchString(text) && !strings.Contains(text, ":")
}

// credential reports whether the text after Authorization: is a credential.
func credential(text string) bool {
	word, _, spaced := strings.Cut(text, " ")
	if !password(text) || strings.ContainsAny(word, "{[(&") || nothing()[strings.ToLower(strings.TrimRight(word, ",.;"))] {
		return false
	}
	return spaced && strings.ContainsAny(text, "=") || hasDigit(word) || len(word) >= 16 && !strings.ContainsAny(word, ".(")
}

// machineMade reports whether a text is not a word.
func machineMade(text string) bool {
	return hasDigit(text) || len(text) >= 24 && mixed(text+"0")
}

func hasDigit(text string) bool { return strings.ContainsAny(text, "0123456789") }

// mixed reports whether a text has upper-case letters, lower-case letters and digits.
func mixed(text string) bool {
	return hasDigit(text) && strings.ContainsFunc(text, func(c rune) bool { return c >= 'A' && c <= 'Z' }) && strings.ContainsFunc(text, func(c rune) bool { return c >= 'a' && c <= 'z' })
}

// basic reports whether a text is the base64 of user and password.
func basic(text string) bool {
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "="))
	return err == nil && len(decoded) >= 3 && printable(decoded) && strings.Contains(string(decoded), ":")
}

// printable reports whether a text is printable ASCII.
func printable(text []byte) bool {
	for _, c := range text {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// identity matches identifiers that look random but are no secrets: commits, digests, UUIDs.
var identity = lazy(`^([a-z0-9]+:)?([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$|^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
