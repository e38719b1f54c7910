package secrets

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A spill is a text with a secret in it, as agents and tools write it.
type spill struct{ kind, text, secret string }

// maker generates secrets that belong to nobody. Vendors' formats are assembled from parts, so that
// scanners of this repository find nothing.
type maker struct{ *rand.Rand }

const (
	alnum  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	hexes  = "0123456789abcdef"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	url64  = alnum + "-_"
	signs  = alnum + "!@#%^*-_+?."
	digits = "0123456789"
)

func (m maker) of(letters string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(letters[m.IntN(len(letters))])
	}
	return b.String()
}

// word returns a password of the kind that people choose.
func (m maker) word() string {
	words := []string{"hunter", "Winter", "sommer", "dragon", "tr0ub4dor", "correct", "monkey", "Letmein", "qwerty", "rosebud"}
	return words[m.IntN(len(words))] + []string{"2", "2024!", "xyz", "#77", "_9", "!", "123", "Horse"}[m.IntN(8)]
}

func (m maker) jwt() string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"HS256","typ":"JWT"}`) + "." + part(`{"sub":"`+m.of(digits, 10)+`","exp":1893456000}`) + "." + m.of(url64, 43)
}

func (m maker) pem(title string) string {
	var b strings.Builder
	for range 12 {
		b.WriteString(m.of(alnum+"+/", 64) + "\n")
	}
	return "-----BEGIN " + title + "-----\n" + b.String() + "-----END " + title + "-----"
}

// kinds are texts with %s in place of a secret, and the function that generates it.
func (m maker) kinds() map[string]struct {
	secret func() string
	texts  []string
} {
	type kind = struct {
		secret func() string
		texts  []string
	}
	of := func(prefix, letters string, n int) func() string {
		return func() string { return prefix + m.of(letters, n) }
	}
	free := []string{"the token is %s, do not lose it", "export CI_JOB_THING=%s", `{"value":"%s"}`, "git clone done; used %s\nnext line", "curl 'https://api.acme.example/v1?x=%s&y=1'"}
	return map[string]kind{
		"github token":          {of("gh"+"p_", alnum, 36), free},
		"github app token":      {of("gh"+"s_", alnum, 36), free},
		"github fine-grained":   {of("github"+"_pat_", alnum+"_", 82), free},
		"gitlab token":          {of("gl"+"pat-", url64, 20), free},
		"slack bot token":       {func() string { return "xo" + "xb-" + m.of(digits, 12) + "-" + m.of(digits, 12) + "-" + m.of(alnum, 24) }, free},
		"aws access key":        {of("AK"+"IA", upper, 16), free},
		"google api key":        {of("AI"+"za", url64, 35), free},
		"stripe key":            {of("sk"+"_live_", alnum, 24), free},
		"stripe webhook secret": {of("wh"+"sec_", alnum, 32), free},
		"sendgrid key":          {func() string { return "S" + "G." + m.of(url64, 22) + "." + m.of(url64, 43) }, free},
		"npm token":             {of("np"+"m_", alnum, 36), free},
		"pypi token":            {of("py"+"pi-AgEIcHlwaS5vcmc", url64, 70), free},
		"docker token":          {of("dckr"+"_pat_", url64, 27), free},
		"openai key":            {of("s"+"k-", alnum, 48), free},
		"anthropic key":         {func() string { return "sk-" + "ant-api03-" + m.of(url64, 93) + "AA" }, free},
		"hugging face token":    {of("h"+"f_", alnum, 34), free},
		"digitalocean token":    {of("dop"+"_v1_", hexes, 64), free},
		"vault token":           {of("hv"+"s.", url64, 92), free},
		"shopify token":         {of("shp"+"at_", hexes, 32), free},
		"mailgun key":           {of("ke"+"y-", hexes, 32), free},
		"telegram token":        {func() string { return m.of("123456789", 10) + ":A" + "A" + m.of(url64, 33) }, free},
		"jwt":                   {m.jwt, free},
		"private key":           {func() string { return m.pem("RSA " + "PRIVATE KEY") }, []string{"cat id_rsa\n%s\n", "%s", "key:\n%s\nend", "echo '%s' > k.pem"}},
		"openssh key":           {func() string { return m.pem("OPENSSH " + "PRIVATE KEY") }, []string{"%s", "cat ~/.ssh/id_ed25519\n%s", "found\n%s\nin image", "k=%s"}},
		"slack webhook":         {func() string { return "T" + m.of(upper, 8) + "/B" + m.of(upper, 9) + "/" + m.of(alnum, 24) }, []string{"https://hooks." + "slack.com/services/%s", "curl -X POST https://hooks." + "slack.com/services/%s -d '{}'", `{"url":"https://hooks.` + `slack.com/services/%s"}`, "notify: https://hooks." + "slack.com/services/%s done"}},
		"discord webhook":       {func() string { return m.of(digits, 18) + "/" + m.of(url64, 68) }, []string{"https://discord.com/api/webhooks/%s", "POST https://discordapp.com/api/webhooks/%s", `{"hook":"https://discord.com/api/v10/webhooks/%s"}`, "see https://discord.com/api/webhooks/%s ."}},
		"aws secret key":        {of("", alnum+"+", 40), []string{"aws_secret_access_key = %s", "AWS_SECRET_ACCESS_KEY=%s", `{"SecretAccessKey":"%s"}`, "AK" + "IA" + m.of(upper, 16) + " %s", "export AWS_SECRET_ACCESS_KEY='%s' && aws s3 ls"}},
		"azure storage key":     {func() string { return m.of(alnum+"+/", 86) + "==" }, []string{"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=%s;EndpointSuffix=core.windows.net", "AccountKey=%s", `{"accountKey":"%s"}`, "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=%s"}},
		"azure sas":             {func() string { return m.of(alnum, 40) + "%2B" + "%3D" }, []string{"https://acme.blob.core.windows.net/c/f?sv=2022-11-02&sp=r&sig=%s", "?sv=2022&sig=%s&se=2030", "az copy 'https://a.blob.core.windows.net/c?se=2030&sig=%s'", "url: https://x/y?sig=%s"}},
		"url password":          {m.word, []string{"postgres://app:%s@db.internal:5432/pay", "mongodb+srv://root:%s@cluster0.mongodb.net/x", "redis://:%s@cache:6379/0", "amqp://guest:%s@mq:5672", "git push https://ci:%s@git.acme.example/x.git", "npm test --registry https://ci:%s@npm.acme.example", "DATABASE_URL=mysql://u:%s@h/d", `{"dsn":"postgresql://u:%s@h/d?sslmode=require"}`}},
		"url token":             {of("", alnum, 32), []string{"https://%s@git.acme.example/a/b.git", "git remote add o https://%s:@host/x", "pip install git+https://%s@git.acme.example/x", "SENTRY_DSN=https://%s@o1.ingest.sentry.io/2"}},
		"env password":          {m.word, []string{"PGPASSWORD=%s npm test", "DB_PASS=%s pytest -q", "export MYSQL_PWD=%s", "docker run -e POSTGRES_PASSWORD=%s postgres", "REDIS_PASSWORD='%s' ./run", "SMTP_PASSWORD=\"%s\"\nSMTP_HOST=mail", "set DB_PASSWORD=%s", "$env:DB_PASSWORD = \"%s\"", "ENV DB_PASSWORD %s"}},
		"yaml password":         {m.word, []string{"password: %s", "  db_password: \"%s\"", "spring:\n  datasource:\n    username: app\n    password: %s\n    url: x", "stringData:\n  password: '%s'", "adminPassword: %s # of staging"}},
		"json password":         {m.word, []string{`{"user":"app","password":"%s"}`, `{"db":{"passwd":"%s"}}`, `{"dbPassword" : "%s"}`, `{"env":[{"name":"DB_PASSWORD","value":"%s"}]}`, `{\"password\":\"%s\"}`, `{'password': '%s'}`}},
		"flag password":         {m.word, []string{"deploy --password %s --host x", "deploy --password=%s", "./cli --db-password '%s'", "java -Dspring.datasource.password=%s -jar a.jar", "docker login -u ci -p %s registry.acme.example", "mongodump --host h -u root -p %s", "tool --passwd=%s && ok"}},
		"mysql -p":              {m.word, []string{"mysql -u root -p%s -e 'select 1'", "mysqldump -h db -uapp -p'%s' pay > d.sql", "mariadb -p%s", "mysqladmin --user=root -p%s ping"}},
		"sshpass":               {m.word, []string{"sshpass -p %s ssh deploy@h", "sshpass -p '%s' scp a b:", "sudo sshpass -p%s ssh x", "cd /x && sshpass -p \"%s\" ssh h uptime"}},
		"curl user":             {m.word, []string{"curl -u admin:%s https://api.acme.example", "curl -s -u 'admin:%s' https://x", "curl --user ci:%s https://x", "curl -sSu \"me:%s\" https://x/y", "wget --http-password=%s https://x"}},
		"authorization bearer":  {of("", alnum, 40), []string{"Authorization: Bearer %s", `{"headers":{"Authorization":"Bearer %s"}}`, "curl -H 'Authorization: Bearer %s' https://x", "fetch(u, {headers: {'Authorization': 'Bearer %s'}})", "> authorization: bearer %s", `headers={"Authorization": "token %s"}`}},
		"authorization basic":   {func() string { return base64.StdEncoding.EncodeToString([]byte("admin:" + m.word())) }, []string{"Authorization: Basic %s", "curl -H \"Authorization: Basic %s\" https://x", `{"authorization":"Basic %s"}`, "proxy-authorization: basic %s"}},
		"header key":            {of("", alnum, 32), []string{"X-Api-Key: %s", "curl -H 'X-Vault-Token: %s' https://v", "PRIVATE-TOKEN: %s", `{"X-Auth-Token":"%s"}`, "--header 'apikey: %s'"}},
		"netrc":                 {m.word, []string{"machine api.acme.example login ci password %s", "machine h\n  login u\n  password %s\n", "cat ~/.netrc\nmachine git.acme.example login x password %s", "default login anonymous password %s"}},
		"cookie":                {of("", alnum, 40), []string{"Cookie: session=%s; theme=dark", "Set-Cookie: sid=%s; Path=/; HttpOnly", "curl -b 'session=%s' https://x", `{"cookie":"JSESSIONID=%s"}`, "curl https://x --cookie \"auth=%s\""}},
		"otpauth":               {of("", upper, 32), []string{"otpauth://totp/Acme:mira?secret=%s&issuer=Acme", "scan otpauth://totp/x?issuer=A&secret=%s", "totp_secret: %s", `{"otp_secret":"%s"}`}},
		"docker config":         {func() string { return base64.StdEncoding.EncodeToString([]byte("ci:" + m.of(alnum, 16))) }, []string{`{"auths":{"registry.acme.example":{"auth":"%s"}}}`, `{"auth": "%s"}`, "\"auth\":\"%s\",", "_auth=%s"}},
		"npmrc":                 {of("", hexes, 36), []string{"//registry.npmjs.org/:_authToken=%s", "npm config set //r.acme.example/:_authToken=%s", "registry=https://x\n//x/:_authToken=%s\n", "_authToken=\"%s\""}},
		"django secret key":     {of("django-", signs, 42), []string{"SECRET_KEY = '%s'", "SECRET_KEY=%s", `SECRET_KEY: "%s"`, "APP_SECRET=%s"}},
		"connection string":     {m.word, []string{"Server=db;Database=pay;User Id=sa;Password=%s;Encrypt=true", "jdbc:sqlserver://h:1433;user=sa;password=%s;encrypt=true", "jdbc:mysql://h/d?user=a&password=%s&ssl=1", "Host=h;Username=u;Pwd=%s", "jdbc:oracle:thin:scott/%s@//h:1521/x"}},
		"hex key under a name":  {of("", hexes, 32), []string{"TWILIO_AUTH_TOKEN=%s", "api_key: %s", `{"api_key":"%s"}`, "token=%s", "DATADOG_API_KEY=%s", `{"clientSecret":"%s"}`}},
		"uuid under a name": {func() string {
			return m.of(hexes, 8) + "-" + m.of(hexes, 4) + "-4" + m.of(hexes, 3) + "-a" + m.of(hexes, 3) + "-" + m.of(hexes, 12)
		}, []string{"HEROKU_API_KEY=%s", `{"api_token":"%s"}`, "client_secret: %s", "--token %s"}},
		"base64 of a token":        {func() string { return base64.StdEncoding.EncodeToString([]byte("gh" + "p_" + m.of(alnum, 36))) }, []string{"echo %s | base64 -d", "data:\n  t: %s", `{"x":"%s"}`, "got %s"}},
		"hex of a token":           {func() string { return hex.EncodeToString([]byte("gh" + "p_" + m.of(alnum, 36))) }, []string{"xxd: %s", `{"x":"%s"}`, "bytes %s end", "%s"}},
		"quoted code":              {m.word, []string{`password = "%s"`, `const dbPassword = '%s';`, `conn.setPassword("%s")`, `String secret = "%s1A";`, `password: str = "%s"`, `db.connect(user="a", password="%s")`, `Password: "%s",`}},
		"xml":                      {m.word, []string{"<password>%s</password>", "<server><id>n</id><username>u</username><password>%s</password></server>", "<db.password>%s</db.password>", `<add key="Password" value="%sABCDE" />`}},
		"prose":                    {m.word, []string{"password=%s works for admin", "I set the DB password to 'x', then PGPASSWORD=%s", "login with --user admin --password %s please", "The credentials are admin / see password: %s"}},
		"password hash":            {func() string { return "$2" + "b$12$" + m.of(alnum+"./", 53) }, []string{"admin:%s", "hash %s", `{"h":"%s"}`, "root:%s:19000:0:99999:7:::"}},
		"service account":          {func() string { return strings.ReplaceAll(m.pem("PRIVATE "+"KEY"), "\n", `\n`) }, []string{`{"type":"service_account","private_key":"%s","client_email":"x@y"}`, `"private_key": "%s",`, `GOOGLE_CREDENTIALS='{"private_key":"%s"}'`, `{"key":"%s"}`}},
		"sudo over standard input": {m.word, []string{"echo %s | sudo -S apt install x", "echo '%s' | docker login -u u --password-stdin", "printf '%s' | gh auth login --with-token", "docker login --password-stdin <<< %s"}},
	}
}

// spills returns the corpus, which is always the same.
func spills() (out []spill) {
	m := maker{rand.New(rand.NewPCG(7, 11))}
	kinds := m.kinds()
	for _, kind := range sortedKeys(kinds) {
		k := kinds[kind]
		for _, text := range k.texts {
			for range 2 {
				secret := k.secret()
				out = append(out, spill{kind, fmt.Sprintf(text, secret), secret})
			}
		}
	}
	return out
}
