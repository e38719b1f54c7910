package evidence

import (
	"fmt"
	"strings"
	"testing"
)

// inBrief describes the content of a report in lines: the findings, and whether the report is
// complete.
func inBrief(r Result) string {
	var lines []string
	for _, f := range r.Findings {
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf("%s%s %s %s %s→%s %s:%d %s", f.ID, f.Aliases, f.Severity, f.Package, f.Installed, f.Fixed, f.Path, f.Line, f.Scanner)), " "))
	}
	switch {
	case len(r.Partial) > 0:
		lines = append(lines, "partial")
	case r.Summary.Findings == 0 && r.Summary.Scanned:
		lines = append(lines, "clean")
	case r.Summary.Findings == 0:
		lines = append(lines, "nothing")
	}
	return strings.Join(lines, "\n")
}

type kind struct{ name, report, want string }

// holdKinds reads reports and compares them with the expected content.
func holdKinds(t *testing.T, format string, kinds []kind) {
	t.Helper()
	for _, c := range kinds {
		t.Run(c.name, func(t *testing.T) {
			r, err := Read([]byte(c.report))
			if err != nil {
				t.Fatal(err)
			}
			if got := inBrief(r); got != c.want || r.Format != format {
				t.Errorf("%s %q\n got %s\nwant %s", r.Format, r.Partial, got, c.want)
			}
		})
	}
}

func TestCycloneDXKinds(t *testing.T) {
	bill := func(more string) string {
		return `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"serialNumber":"urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79","metadata":{"component":{"bom-ref":"root","name":"till","version":"9","purl":"pkg:npm/till@9"}},"services":[{"bom-ref":"s","name":"pay","services":[{"bom-ref":"s2","name":"card"}]}],"components":[{"bom-ref":"a","name":"a","version":"1.5.0","purl":"pkg:npm/a@1.5.0","components":[{"bom-ref":"b","group":"org.x","name":"b","version":"2"}]}],"vulnerabilities":[` + more + `]}`
	}
	vuln := func(affects string) string {
		return bill(`{"id":"CVE-1","ratings":[{"severity":"high"}],"affects":[` + affects + `]}`)
	}
	versions := func(list string) string { return vuln(`{"ref":"a","versions":[` + list + `]}`) }
	old := func(specVersion, attr, inComponent, inBill string) string {
		return `<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/` + specVersion + `" xmlns:v="http://cyclonedx.org/schema/ext/vulnerability/1.0"><components><component type="library" ` + attr + `><name>foo</name><version>1.0</version>` + inComponent + `</component></components>` + inBill + `</bom>`
	}
	extension := `<v:vulnerabilities><v:vulnerability ref="foo"><v:id>CVE-2</v:id><v:ratings><v:rating><v:score><v:base>9.8</v:base><v:impact>5.9</v:impact></v:score><v:method>CVSSv3</v:method></v:rating></v:ratings></v:vulnerability></v:vulnerabilities>`
	const a = "CVE-1[] high a 1.5.0→ :0"
	holdKinds(t, "cyclonedx", []kind{
		{"the component that the bill is of", vuln(`{"ref":"root"}`), "CVE-1[] high till 9→ :0"},
		{"a component within another", vuln(`{"ref":"b"}`), "CVE-1[] high org.x/b 2→ :0"},
		{"a service within another", vuln(`{"ref":"s2"}`), "CVE-1[] high card → :0"},
		{"two components", vuln(`{"ref":"a"},{"ref":"b"}`), a + "\nCVE-1[] high org.x/b 2→ :0"},
		{"a BOM-Link into this bill", vuln(`{"ref":"urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#a"}`), a},
		{"a BOM-Link into another", vuln(`{"ref":"urn:cdx:00000000-0000-4000-8000-000000000000/1#pkg%3Anpm%2Fz%401"}`), "CVE-1[] high z 1→ :0"},
		{"a package URL as reference", vuln(`{"ref":"pkg:npm/z@3"}`), "CVE-1[] high z 3→ :0"},
		{"a reference to nothing", vuln(`{"ref":"x-1"}`), "CVE-1[] high x-1 → :0"},
		{"no reference at all", vuln(``), "CVE-1[] high → :0"},
		{"the version is unaffected", versions(`{"version":"1.5.0","status":"unaffected"}`), "clean"},
		{"one of several", versions(`{"version":"1.4.0","status":"affected"},{"version":"1.5.0","status":"unaffected"}`), "clean"},
		{"another is unaffected", versions(`{"version":"1.6.0","status":"unaffected"}`), "CVE-1[] high a 1.5.0→1.6.0 :0"},
		{"its status is unknown", versions(`{"version":"1.5.0","status":"unknown"}`), a},
		{"affected by default", versions(`{"version":"1.5.0"}`), a},
		{"both are said", versions(`{"version":"1.5.0","status":"affected"},{"version":"1.5.0","status":"unaffected"}`), a},
		{"within an unaffected range", versions(`{"range":"vers:npm/>=1.5.0|<2.0.0","status":"unaffected"}`), "clean"},
		{"at the end of an unaffected range", versions(`{"range":"vers:npm/>=1.0.0|<1.5.0","status":"unaffected"}`), a},
		{"below an unaffected range", versions(`{"range":"vers:npm/>=1.6.0","status":"unaffected"}`), "CVE-1[] high a 1.5.0→1.6.0 :0"},
		{"above all bounds", versions(`{"range":"vers:npm/>1.4.0","status":"unaffected"}`), "clean"},
		{"a range of all but it", versions(`{"range":"vers:npm/>=1.0.0|!=1.5.0|<2.0.0","status":"unaffected"}`), a},
		{"a range that is none", versions(`{"range":"anything","status":"unaffected"}`), a},
		{"not affected", bill(`{"id":"CVE-1","analysis":{"state":"not_affected"},"affects":[{"ref":"a"}]}`), "clean"},
		{"a false positive", bill(`{"id":"CVE-1","analysis":{"state":"false_positive"}}`), "clean"},
		{"resolved", bill(`{"id":"CVE-1","analysis":{"state":"resolved"}}`), "clean"},
		{"exploitable", bill(`{"id":"CVE-1","analysis":{"state":"exploitable"},"affects":[{"ref":"a"}]}`), "CVE-1[] unknown a 1.5.0→ :0"},
		{"in triage", bill(`{"id":"CVE-1","analysis":{"state":"in_triage"}}`), "CVE-1[] unknown → :0"},
		{"a state that nobody knows", bill(`{"id":"CVE-1","analysis":{"state":"fine"}}`), "CVE-1[] unknown → :0\npartial"},
		{"ratings by several", bill(`{"id":"CVE-1","ratings":[{"severity":"low","source":{"name":"x"}},{"score":9.8,"method":"CVSSv31","source":{"name":"nvd"}}]}`), "CVE-1[] critical → :0"},
		{"a probability is no severity", bill(`{"id":"CVE-1","ratings":[{"score":0.97,"method":"other","source":{"name":"EPSS"}}]}`), "CVE-1[] unknown → :0"},
		{"names of others", bill(`{"id":"GHSA-1","references":[{"id":"CVE-7"}],"cwes":[79]}`), "GHSA-1[CVE-7 CWE-79] unknown → :0"},
		{"an entry that is none", bill(`"CVE-1"`), "partial"},
		{"an entry that says nothing", bill(`{}`), "partial"},
		{"extension in a component, 1.2", old("1.2", `bom-ref="foo"`, extension, ""), "CVE-2[] critical foo 1.0→ :0"},
		{"extension in a component without a name for it, 1.1", old("1.1", "", extension, ""), "CVE-2[] critical foo 1.0→ :0"},
		{"extension in the bill, 1.3", old("1.3", `bom-ref="foo"`, "", extension), "CVE-2[] critical foo 1.0→ :0"},
		{"extension in JSON", `{"bomFormat":"CycloneDX","specVersion":"1.3","components":[{"bom-ref":"foo","name":"foo","version":"1.0","vulnerabilities":[{"ref":"foo","id":"CVE-2","ratings":[{"score":{"base":9.8},"method":"CVSSv3"}]}]}]}`, "CVE-2[] critical foo 1.0→ :0"},
		{"a bill of XML", `<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components><component bom-ref="p"><name>p</name><version>1</version></component></components><vulnerabilities><vulnerability><id>CVE-3</id><ratings><rating><score>5</score><method>CVSSv31</method></rating></ratings><cwes><cwe>20</cwe></cwes><affects><target><ref>p</ref><versions><version><version>1</version><status>affected</status></version></versions></target></affects></vulnerability></vulnerabilities></bom>`, "CVE-3[CWE-20] medium p 1→ :0"},
		{"a list without components", `{"bomFormat":"CycloneDX","specVersion":"1.6","vulnerabilities":[]}`, "nothing"},
	})
}

func TestGitLabKinds(t *testing.T) {
	entry := `{"id":"1","category":"sast","name":"Weak hash","severity":"High","scanner":{"id":"x","name":"X"},"identifiers":[{"type":"semgrep_id","name":"R1","value":"R1"},{"type":"cwe","name":"CWE-79","value":"79"}],"location":{"file":"a.c","start_line":3}}`
	const weak = "R1[CWE-79] high → a.c:3"
	holdKinds(t, "gitlab-report", []kind{
		{"schema 15", `{"version":"15.0.0","scan":{"scanner":{"name":"S"},"status":"success"},"vulnerabilities":[` + entry + `]}`, weak + " X"},
		{"schema 14 without a scan", `{"version":"14.0.0","vulnerabilities":[` + entry + `],"remediations":[]}`, weak},
		{"schema 2", `{"version":"2.3","vulnerabilities":[` + entry + `]}`, weak},
		{"before schemas", `[` + entry + `]`, weak},
		{"a failed scan", `{"version":"15.0.0","scan":{"scanner":{"name":"S"},"status":"failure"},"vulnerabilities":[]}`, "partial"},
		{"nothing", `{"version":"15.0.0","scan":{"scanner":{"name":"S"},"status":"success"},"vulnerabilities":[]}`, "nothing"},
		{"nothing, schema 2", `{"version":"2.3","vulnerabilities":[],"remediations":[]}`, "nothing"},
		{"one place, two functions", `{"version":"2.3","vulnerabilities":[` + entry + `,` + strings.Replace(entry, `"file"`, `"method":"m","file"`, 1) + `]}`, weak + "\n" + weak},
		{"the same twice", `{"version":"2.3","vulnerabilities":[` + entry + `,` + entry + `]}`, weak},
		{"a package", `{"version":"15.0.7","scan":{"scanner":{"name":"Trivy"},"status":"success"},"vulnerabilities":[{"id":"CVE-1","name":"n","severity":"Medium","solution":"Upgrade libx to 1.1.1d-r0","location":{"dependency":{"package":{"name":"libx"},"version":"1.1.1c-r0"},"image":"i.tar","operating_system":"alpine 3.10.2"},"identifiers":[{"type":"cve","name":"CVE-1","value":"CVE-1"}]}]}`, "CVE-1[] medium libx 1.1.1c-r0→1.1.1d-r0 i.tar:0"},
	})
}

func TestNPMKinds(t *testing.T) {
	advisory := func(patched string) string {
		return `{"id":7,"title":"A flaw","module_name":"till","severity":"high","cves":["CVE-2024-6"],"github_advisory_id":"GHSA-aaaa","url":"https://github.com/advisories/GHSA-aaaa","patched_versions":"` + patched + `","findings":[{"version":"1.0.0","paths":["till"]}]}`
	}
	six := func(patched string) string {
		return `{"actions":[],"advisories":{"7":` + advisory(patched) + `},"muted":[],"metadata":{"dependencies":5,"vulnerabilities":{"high":1}}}`
	}
	line := `{"type":"auditAdvisory","data":{"resolution":{"id":7,"path":"till"},"advisory":` + advisory(">=1.0.1") + `}}` + "\n"
	summary := func(high int) string {
		return fmt.Sprintf(`{"type":"auditSummary","data":{"vulnerabilities":{"info":0,"high":%d},"dependencies":5,"totalDependencies":5}}`, high)
	}
	const flaw = "GHSA-aaaa[CVE-2024-6] high till 1.0.0→"
	holdKinds(t, "npm-audit", []kind{
		{"npm 6", six(">=1.0.1"), flaw + "1.0.1 till:0"},
		{"npm 6, without a patch", six("<0.0.0"), flaw + " till:0"},
		{"npm 6 with two versions", strings.Replace(six(">=1.0.1"), `"paths":["till"]}`, `"paths":["till"]},{"version":"0.9.0","paths":["a>till"]}`, 1), flaw + "1.0.1 till:0\nGHSA-aaaa[CVE-2024-6] high till 0.9.0→1.0.1 a>till:0"},
		{"npm 6 that counts what it does not list", `{"actions":[],"advisories":{},"metadata":{"dependencies":5,"vulnerabilities":{"high":1}}}`, "partial"},
		{"yarn berry", `{"advisories":{"7":` + advisory(">=1.0.1") + `},"metadata":{"vulnerabilities":{"high":1},"dependencies":5}}`, flaw + "1.0.1 till:0"},
		{"yarn 4", `{"value":"till","children":{"ID":1065,"Issue":"A flaw","URL":"https://github.com/advisories/GHSA-aaaa","Severity":"high","Vulnerable Versions":"<1.0.1","Tree Versions":["1.0.0","0.9.0"],"Dependents":["x@npm:1"]}}`, "GHSA-aaaa[1065] high till 1.0.0→ :0\nGHSA-aaaa[1065] high till 0.9.0→ :0"},
		{"yarn 1", line + summary(1), flaw + "1.0.1 till:0"},
		{"yarn 1, once for each place", line + line + summary(2), flaw + "1.0.1 till:0"},
		{"yarn 1 that found nothing", summary(0), "clean"},
		{"yarn 1 after other lines", `{"type":"warning","data":"no license"}` + "\n" + `{"type":"info","data":"No lockfile found."}` + "\n" + line + summary(1), flaw + "1.0.1 till:0"},
		{"yarn 1, cut short", line, flaw + "1.0.1 till:0\npartial"},
		{"yarn 1 that counts what it does not list", summary(1), "partial"},
		{"yarn 1 with an error", summary(0) + "\n" + `{"type":"error","data":"registry"}`, "partial"},
		{"npm 7, derived", `{"auditReportVersion":2,"vulnerabilities":{"a":{"name":"a","via":["b"]},"b":{"name":"b","severity":"low","nodes":["node_modules/b"],"via":[{"name":"b","url":"https://github.com/advisories/GHSA-b","severity":"low","range":"<2.0.0"}]}},"metadata":{"dependencies":{"total":9}}}`, "GHSA-b[] low b →2.0.0 node_modules/b:0"},
		{"npm 7, derived from nothing", `{"auditReportVersion":2,"vulnerabilities":{"a":{"name":"a","via":["b"]}},"metadata":{"dependencies":{"total":9}}}`, "partial"},
		{"npm 7 that counts what it does not list", `{"auditReportVersion":2,"vulnerabilities":{},"metadata":{"vulnerabilities":{"high":1,"total":1},"dependencies":{"total":9}}}`, "partial"},
		{"npm 7, an entry of another shape", `{"auditReportVersion":2,"vulnerabilities":{"a":"bad"},"metadata":{"dependencies":{"total":9}}}`, "partial"},
	})
	for name, text := range map[string]string{
		"yarn 1 that failed": `{"type":"warning","data":"x"}` + "\n" + `{"type":"error","data":"An unexpected error occurred"}`,
		"pnpm that failed":   `{"error":{"code":"ERR_PNPM_AUDIT_NO_LOCKFILE","message":"No pnpm-lock.yaml found"}}`,
		"npm that failed":    `{"error":{"code":"ENOLOCK","summary":"This command requires an existing lockfile.","detail":""}}`,
	} {
		if r, err := Read([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", name, r)
		}
	}
}

func TestSemgrepKinds(t *testing.T) {
	entry := `{"check_id":"a.b","path":"x.py","start":{"line":1,"col":1},"end":{"line":1,"col":5},"extra":{"message":"m","severity":"ERROR","metadata":{"cwe":["CWE-78: OS Command Injection"]}}}`
	const found = "a.b[CWE-78] high → x.py:1"
	holdKinds(t, "semgrep", []kind{
		{"without paths", `{"version":"0.60.0","errors":[],"results":[` + entry + `]}`, found},
		{"without paths and version", `{"results":[` + entry + `],"errors":[]}`, found},
		{"of nothing, without paths", `{"results":[],"errors":[]}`, "nothing"},
		{"two on one line", `{"results":[` + entry + `,` + strings.ReplaceAll(entry, `"col":1`, `"col":9`) + `],"errors":[]}`, found + "\n" + found},
		{"the same twice", `{"results":[` + entry + `,` + entry + `],"errors":[]}`, found},
		{"an error, nothing found", `{"version":"1.1","results":[],"errors":[{"code":3,"level":"warn","type":"Syntax error","message":"could not parse"}],"paths":{"scanned":["x.py"]}}`, "partial"},
		{"rules left out", `{"version":"1.1","results":[],"errors":[],"skipped_rules":[{"rule_id":"a"}],"paths":{"scanned":["x.py"]}}`, "partial"},
		{"clean", `{"version":"1.1","results":[],"errors":[],"skipped_rules":[],"paths":{"scanned":["x.py"]}}`, "clean"},
		{"ignored", `{"version":"1.1","results":[` + strings.Replace(entry, `"extra":{`, `"extra":{"is_ignored":true,`, 1) + `],"errors":[],"paths":{"scanned":["x.py"]}}`, "clean"},
	})
}

func TestTrivyAndGrypeKinds(t *testing.T) {
	trivy := func(result string) string {
		return `{"SchemaVersion":2,"ArtifactName":"i","ArtifactType":"container_image","Results":[` + result + `]}`
	}
	holdKinds(t, "trivy", []kind{
		{
			"a misconfiguration, a secret, a licence",
			trivy(`{"Target":"f","Misconfigurations":[{"ID":"DS002","AVDID":"AVD-DS-0002","Severity":"HIGH","Status":"FAIL","CauseMetadata":{"StartLine":3}},{"ID":"DS001","Status":"PASS"},{"ID":"DS003","Status":"EXCEPTION"}],"Secrets":[{"RuleID":"aws","Severity":"CRITICAL","StartLine":2}],"Licenses":[{"Name":"GPL-3.0","Severity":"HIGH","PkgName":"p"}]}`),
			"DS002[AVD-DS-0002] high → f:3\naws[] critical → f:2\nlicense:GPL-3.0[] high p → f:0",
		},
		{"not affected, says a VEX document", trivy(`{"Target":"f","Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"p","Status":"not_affected"}]}`), "clean"},
		{"will not be fixed", trivy(`{"Target":"f","Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"p","InstalledVersion":"1","Status":"will_not_fix","Severity":"LOW"}]}`), "CVE-1[] low p 1→ f:0"},
		{"two files of one target", trivy(`{"Target":"Java","Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"p","InstalledVersion":"1","PkgPath":"a.jar"},{"VulnerabilityID":"CVE-1","PkgName":"p","InstalledVersion":"1","PkgPath":"b.jar"}]}`), "CVE-1[] unknown p 1→ a.jar:0\nCVE-1[] unknown p 1→ b.jar:0"},
		{"before schema 2", `[{"Target":"i (alpine)","Type":"alpine","Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"p","InstalledVersion":"1-r0","FixedVersion":"1-r1","Severity":"HIGH"}]}]`, "CVE-1[] high p 1-r0→1-r1 i (alpine):0"},
		{"before schema 2, clean", `[{"Target":"i (alpine)","Type":"alpine","Vulnerabilities":null}]`, "clean"},
		{"a cluster", `{"ClusterName":"c","Resources":[{"Kind":"Pod","Name":"p","Results":[{"Target":"t","Misconfigurations":[{"ID":"KSV1","Severity":"LOW","Status":"FAIL"}]}]}]}`, "KSV1[] low → Pod/p: t:0"},
		{"a cluster that was not seen whole", `{"ClusterName":"c","Resources":[{"Kind":"Pod","Name":"p","Error":"image not found"}]}`, "partial"},
		{"a list of another shape", trivy(`{"Target":"f","Vulnerabilities":"none"}`), "partial"},
		{"an entry of another shape", trivy(`{"Target":"f","Vulnerabilities":["CVE-1"]}`), "partial"},
	})
	grype := func(match, more string) string {
		return `{"matches":[` + match + `],"distro":{"name":"debian"},"descriptor":{"name":"grype","version":"1"}` + more + `}`
	}
	match := func(state string) string {
		return `{"vulnerability":{"id":"CVE-1","severity":"Negligible","fix":{"versions":["2.0"],"state":"` + state + `"}},"relatedVulnerabilities":[{"id":"GHSA-1"}],"artifact":{"name":"p","version":"1.0","type":"python","locations":[{"path":"/a"}]}}`
	}
	holdKinds(t, "grype", []kind{
		{"negligible", grype(match("fixed"), ""), "CVE-1[GHSA-1] low p 1.0→2.0 /a:0"},
		{"will not be fixed", grype(match("wont-fix"), ""), "CVE-1[GHSA-1] low p 1.0→ /a:0"},
		{"ignored", grype("", `,"ignoredMatches":[`+match("fixed")+`]`), "clean"},
		{"one name, two places", grype(match("fixed")+","+strings.Replace(match("fixed"), `"/a"`, `"/b"`, 1), ""), "CVE-1[GHSA-1] low p 1.0→2.0 /a:0\nCVE-1[GHSA-1] low p 1.0→2.0 /b:0"},
		{"an entry of another shape", grype(`7`, ""), "partial"},
	})
}

// TestOtherKinds reads formats beyond the reports in testdata. Those of Snyk, KICS, tfsec and
// Dependency-Check are written by hand after documentation and source: none of these tools runs
// without an account, or builds fast enough for a test.
func TestOtherKinds(t *testing.T) {
	for format, kinds := range map[string][]kind{
		"osv-scanner": {
			{"a weakness in no group", `{"results":[{"source":{"path":"l"},"packages":[{"package":{"name":"p","version":"1","ecosystem":"npm"},"vulnerabilities":[{"id":"GHSA-1","aliases":["CVE-1"],"database_specific":{"severity":"HIGH"}}]}]}]}`, "GHSA-1[CVE-1] high p 1→ l:0"},
			{"two groups", `{"results":[{"source":{"path":"l"},"packages":[{"package":{"name":"p","version":"1","ecosystem":"npm"},"groups":[{"ids":["GHSA-1","PYSEC-1"],"max_severity":"9.8"},{"ids":["GHSA-2"]}]}]}]}`, "GHSA-1[PYSEC-1] critical p 1→ l:0\nGHSA-2[] unknown p 1→ l:0"},
			{"a group of nothing", `{"results":[{"source":{"path":"l"},"packages":[{"package":{"name":"p"},"groups":[{}]}]}]}`, "partial"},
		},
		"bandit": {
			{"an error", `{"errors":[{"filename":"a.py","reason":"syntax error"}],"metrics":{"_totals":{"loc":7}},"results":[]}`, "partial"},
			{"two on one line", `{"errors":[],"metrics":{"_totals":{"loc":7}},"results":[{"test_id":"B1","filename":"a","line_number":1,"col_offset":1},{"test_id":"B1","filename":"a","line_number":1,"col_offset":9}]}`, "B1[] unknown → a:1\nB1[] unknown → a:1"},
		},
		"gosec": {
			{"null for none", `{"Golang errors":{},"Issues":null,"Stats":{"files":3,"lines":9,"nosec":0,"found":0}}`, "clean"},
			{"errors", `{"Golang errors":{"a.go":[{"line":1,"error":"x"}]},"Issues":[],"Stats":{"files":3,"found":0}}`, "partial"},
			{"counted and not listed", `{"Golang errors":{},"Issues":[],"Stats":{"files":3,"found":2}}`, "partial"},
		},
		"checkov": {
			{"a file that could not be read", `{"check_type":"terraform","results":{"passed_checks":[],"failed_checks":[],"parsing_errors":["a.tf"]},"summary":{"passed":3,"failed":0,"parsing_errors":1}}`, "partial"},
			{"one check, two resources", `{"check_type":"terraform","results":{"failed_checks":[{"check_id":"C","file_path":"/a","file_line_range":[1,2],"resource":"x"},{"check_id":"C","file_path":"/a","file_line_range":[1,2],"resource":"y"}]},"summary":{"failed":2}}`, "C[] unknown → /a:1\nC[] unknown → /a:1"},
		},
		"eslint": {
			{"a file that could not be read", `[{"filePath":"a.js","messages":[{"ruleId":null,"fatal":true,"severity":2,"message":"Parsing error","line":1}]}]`, "eslint[] high → a.js:1\npartial"},
			{"two on one line", `[{"filePath":"a.js","messages":[{"ruleId":"r","severity":1,"message":"m","line":1,"column":1},{"ruleId":"r","severity":1,"message":"m","line":1,"column":5}]}]`, "r[] medium → a.js:1\nr[] medium → a.js:1"},
		},
		"cargo-audit": {
			{"counted and not listed", `{"lockfile":{"dependency-count":9},"vulnerabilities":{"found":true,"count":1,"list":[]},"warnings":{}}`, "partial"},
		},
		"gitleaks": {
			{"two on one line", `[{"RuleID":"r","Secret":"a","File":"f","StartLine":1,"StartColumn":1},{"RuleID":"r","Secret":"b","File":"f","StartLine":1,"StartColumn":9}]`, "r[] unknown → f:1\nr[] unknown → f:1"},
			{"version 7", `[{"line":"x","lineNumber":3,"offender":"s","commit":"c1","rule":"AWS","file":"f"}]`, "AWS[] unknown → f (commit c1):3"},
		},
		"codeclimate": {
			{"one check, other words", `[{"type":"issue","check_name":"c","description":"one","severity":"major","fingerprint":"1","location":{"path":"p","lines":{"begin":1}}},{"type":"issue","check_name":"c","description":"two","severity":"blocker","fingerprint":"2","location":{"path":"p","lines":{"begin":1}}}]`, "c[] medium → p:1\nc[] critical → p:1"},
			{"one check, other fingerprint", `[{"check_name":"c","description":"one","fingerprint":"1","location":{"path":"p","lines":{"begin":1}}},{"check_name":"c","description":"one","fingerprint":"2","location":{"path":"p","lines":{"begin":1}}}]`, "c[] unknown → p:1\nc[] unknown → p:1"},
			{"a package in words", `[{"type":"issue","check_name":"container_scanning","description":"CVE-2019-1549 - libcrypto1.1 - 1.1.1c-r0 - openssl: fork()","severity":"minor","fingerprint":"1","location":{"path":"i","lines":{"begin":0}}}]`, "CVE-2019-1549[container_scanning] low libcrypto1.1 1.1.1c-r0→ i:0"},
		},
		"openvex": {
			{"two products", `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"a","version":1,"statements":[{"vulnerability":{"name":"CVE-1"},"products":[{"@id":"pkg:npm/a@1"},{"@id":"pkg:npm/b@2"}],"status":"affected","action_statement":"x"}]}`, "CVE-1[] unknown a 1→ :0\nCVE-1[] unknown b 2→ :0"},
		},
		"github-alert": {
			{"a state that nobody knows", `{"action":"x","alert":{"state":"snoozed","html_url":"u","security_advisory":{"ghsa_id":"GHSA-x"}}}`, "GHSA-x[] unknown → :0\npartial"},
			{"two alerts of one rule", `[{"state":"open","html_url":"u/1","secret_type":"t"},{"state":"open","html_url":"u/2","secret_type":"t"},{"state":"resolved","html_url":"u/3","secret_type":"t"}]`, "t[] unknown → :0\nt[] unknown → :0"},
		},
		"govulncheck": {
			{"a finding without a trace", `{"config":{"protocol_version":"v1.0.0","scanner_name":"govulncheck"}}{"finding":{"osv":"GO-1"}}`, "GO-1[] unknown → :0"},
			{"gathered in a list", `[{"config":{"protocol_version":"v1.0.0"}},{"SBOM":{"modules":[{"path":"m"}]}}]`, "clean"},
		},
		"detect-secrets": {
			{"one is audited", `{"version":"1.5.0","plugins_used":[{"name":"A"}],"filters_used":[],"results":{"f":[{"type":"AWS Access Key","filename":"f","hashed_secret":"1","line_number":3},{"type":"AWS Access Key","filename":"f","hashed_secret":"2","line_number":3},{"type":"X","hashed_secret":"3","line_number":4,"is_secret":false},{"type":"Y","hashed_secret":"4","line_number":5,"is_secret":true}]}}`, "AWS Access Key[] unknown → f:3\nAWS Access Key[] unknown → f:3\nY[] unknown → f:5"},
			{"none", `{"version":"1.5.0","plugins_used":[],"results":{}}`, "nothing"},
		},
		"dependency-check": {
			{"one weakness, one suppressed", `{"reportSchema":"1.1","scanInfo":{"engineVersion":"12.1.0"},"projectInfo":{},"dependencies":[{"fileName":"a-1.jar","filePath":"/l/a-1.jar","packages":[{"id":"pkg:maven/g/a@1"}],"vulnerabilities":[{"source":"NVD","name":"CVE-2021-1","severity":"HIGH","cvssv3":{"baseScore":7.5,"version":"3.1"},"cwes":["CWE-79"]}],"suppressedVulnerabilities":[{"name":"CVE-2021-2"}]}]}`, "CVE-2021-1[CWE-79] high g:a 1→ /l/a-1.jar:0"},
			{"none", `{"reportSchema":"1.1","scanInfo":{"engineVersion":"12.1.0"},"dependencies":[{"fileName":"a-1.jar"}]}`, "clean"},
			{"exceptions", `{"reportSchema":"1.1","scanInfo":{"engineVersion":"12.1.0","analysisExceptions":[{"exception":{"message":"x"}}]},"dependencies":[{"fileName":"a-1.jar"}]}`, "partial"},
		},
		"snyk": {
			{"one project", `{"ok":false,"packageManager":"npm","dependencyCount":9,"uniqueCount":1,"displayTargetFile":"package-lock.json","vulnerabilities":[{"id":"SNYK-JS-A-1","title":"t","severity":"high","cvssScore":7.5,"CVSSv3":"CVSS:3.1/x","identifiers":{"CVE":["CVE-1"],"CWE":["CWE-400"]},"name":"a","packageName":"a","version":"1.0.0","packageManager":"npm","fixedIn":["0.9.9","1.0.1"],"from":["x","a@1.0.0"]},{"id":"SNYK-JS-A-1","title":"t","severity":"high","cvssScore":7.5,"CVSSv3":"CVSS:3.1/x","identifiers":{"CVE":["CVE-1"],"CWE":["CWE-400"]},"name":"a","version":"1.0.0","packageManager":"npm","fixedIn":["0.9.9","1.0.1"],"from":["x","y","a@1.0.0"]}]}`, "SNYK-JS-A-1[CVE-1 CWE-400] high a 1.0.0→1.0.1 package-lock.json:0"},
			{"several, one failed", `[{"ok":true,"packageManager":"npm","dependencyCount":9,"vulnerabilities":[]},{"ok":false,"error":"no lock file","path":"/p"}]`, "partial"},
			{"clean", `{"ok":true,"packageManager":"npm","dependencyCount":9,"uniqueCount":0,"vulnerabilities":[]}`, "clean"},
			{"not ok and not listed", `{"ok":false,"packageManager":"npm","dependencyCount":9,"vulnerabilities":[]}`, "partial"},
			{"a failure alone", `{"ok":false,"error":"x","path":"/p"}`, "partial"},
			{"a container with an application", `{"ok":false,"packageManager":"deb","dependencyCount":9,"path":"img","vulnerabilities":[{"id":"SNYK-D-1","severity":"low","name":"s/b","packageName":"s","version":"1-1","packageManager":"debian:12","identifiers":{"CVE":["CVE-2"]}}],"applications":[{"ok":false,"packageManager":"npm","dependencyCount":2,"targetFile":"/app","vulnerabilities":[{"id":"SNYK-JS-B-1","severity":"critical","name":"b","version":"2","packageManager":"npm"}]}]}`, "SNYK-D-1[CVE-2] low b 1-1→ img:0\nSNYK-JS-B-1[] critical b 2→ /app:0"},
			{"infrastructure", `{"ok":false,"targetFile":"main.tf","infrastructureAsCodeIssues":[{"id":"SNYK-CC-1","publicId":"SNYK-CC-1","title":"t","severity":"medium","lineNumber":4,"path":["resource","a"]},{"id":"SNYK-CC-2","severity":"low","isIgnored":true}]}`, "SNYK-CC-1[] medium → main.tf:4"},
		},
		"tfsec": {
			{"one of each", `{"results":[{"rule_id":"AVD-AWS-1","long_id":"aws-s3-x","rule_description":"d","severity":"HIGH","resource":"r","status":0,"location":{"filename":"m.tf","start_line":1,"end_line":3},"links":["https://x"]},{"rule_id":"AVD-AWS-2","long_id":"p","status":1,"location":{"filename":"m.tf"}},{"rule_id":"AVD-AWS-3","long_id":"i","status":"ignored","location":{"filename":"m.tf"}}]}`, "aws-s3-x[AVD-AWS-1] high → m.tf:1"},
			{"none", `{"results":null}`, "nothing"},
		},
		"kics": {
			{"two files", `{"kics_version":"v2.1.0","files_scanned":2,"files_failed_to_scan":0,"queries_failed_to_execute":0,"total_counter":2,"queries":[{"query_name":"Q","query_id":"id-1","severity":"HIGH","cwe":"798","files":[{"file_name":"a","line":1,"similarity_id":"1"},{"file_name":"b","line":2,"similarity_id":"2"}]}]}`, "id-1[Q CWE-798] high → a:1\nid-1[Q CWE-798] high → b:2"},
			{"clean", `{"files_scanned":2,"queries":[],"total_counter":0}`, "clean"},
			{"one file failed", `{"files_scanned":2,"files_failed_to_scan":1,"queries":[],"total_counter":0}`, "partial"},
		},
		"sonar": {
			{"two engines", `{"issues":[{"engineId":"A","ruleId":"R","severity":"BLOCKER","type":"BUG","primaryLocation":{"message":"m","filePath":"f","textRange":{"startLine":1,"startColumn":2}}},{"engineId":"B","ruleId":"R","severity":"MINOR","primaryLocation":{"message":"m","filePath":"f","textRange":{"startLine":1}}}]}`, "R[] critical → f:1\nR[] low → f:1 B"},
			{"rules beside", `{"rules":[{"id":"R","name":"n","engineId":"A","impacts":[{"softwareQuality":"SECURITY","severity":"HIGH"}]}],"issues":[{"ruleId":"R","primaryLocation":{"message":"m","filePath":"f"}}]}`, "R[] high → f:0"},
		},
		"checkstyle": {
			{"of ShellCheck", `<checkstyle version="4.3"><file name="a.sh"><error line="2" column="1" severity="warning" message="m" source="ShellCheck.SC2164"/><error line="2" column="4" severity="info" message="m" source="ShellCheck.SC2164"/></file></checkstyle>`, "SC2164[ShellCheck.SC2164] medium → a.sh:2\nSC2164[ShellCheck.SC2164] low → a.sh:2"},
			{"clean", `<checkstyle version="10"><file name="A.java"/></checkstyle>`, "clean"},
			{"of nothing", `<checkstyle version="10"/>`, "nothing"},
			{"a file that could not be read", `<checkstyle version="10"><file name="A.java"><exception>x</exception></file></checkstyle>`, "partial"},
		},
		"pmd": {
			{"one", `<pmd xmlns="http://pmd.sourceforge.net/report/2.0.0" version="7.0"><file name="A.java"><violation beginline="3" begincolumn="1" rule="R" ruleset="S" priority="3">words</violation></file><suppressedviolation filename="B"/></pmd>`, "R[] medium → A.java:3"},
			{"an error", `<pmd version="7.0"><error filename="A.java" msg="x"/></pmd>`, "partial"},
			{"none", `<pmd version="7.0"/>`, "nothing"},
		},
		"spotbugs": {
			{"two methods", `<BugCollection version="4.8"><BugInstance type="T" priority="1" cweid="78"><ShortMessage>s</ShortMessage><Class classname="C"><SourceLine sourcepath="C.java" start="1"/></Class><Method name="a"/><SourceLine sourcepath="C.java" start="9"/></BugInstance><BugInstance type="T" priority="2" cweid="78"><ShortMessage>s</ShortMessage><Class classname="C"/><Method name="b"/><SourceLine sourcepath="C.java" start="9"/></BugInstance><Errors errors="0"/><FindBugsSummary total_classes="2" total_bugs="2"/></BugCollection>`, "T[CWE-78] high → C.java:9\nT[CWE-78] medium → C.java:9"},
			{"clean", `<BugCollection version="4.8"><Errors errors="0"/><FindBugsSummary total_classes="2" total_bugs="0"/></BugCollection>`, "clean"},
			{"errors", `<BugCollection version="4.8"><Errors errors="1"/><FindBugsSummary total_classes="2" total_bugs="0"/></BugCollection>`, "partial"},
		},
	} {
		t.Run(format, func(t *testing.T) { holdKinds(t, format, kinds) })
	}
}
