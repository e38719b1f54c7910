package evidence

import (
	"fmt"
	"testing"
)

// sarifOf returns a log with one run, with additions to its tool and to the run.
func sarifOf(driver, run string) string {
	return `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"T"` + driver + `}},` + run + `}]}`
}

// one returns a log with one result, which is of rule R, a warning by default.
func one(result string) string { return sarifOf("", `"results":[{"message":{"text":"m"},`+result+`}]`) }

// TestSARIFResults reads single results; numbers are sections of SARIF 2.1.0.
func TestSARIFResults(t *testing.T) {
	const there = "R[] medium → :0"
	at := func(place string) string { return one(`"ruleId":"R","locations":[` + place + `]`) }
	two := func(a, b string) string {
		return sarifOf("", `"results":[{"ruleId":"R","message":{"text":"m"}`+a+`},{"ruleId":"R","message":{"text":"m"}`+b+`}]`)
	}
	physical := func(artifact, region string) string {
		return `,"locations":[{"physicalLocation":{"artifactLocation":{` + artifact + `},"region":{` + region + `}}}]`
	}
	holdKinds(t, "sarif", []kind{
		{"3.27.9 fail", one(`"ruleId":"R","kind":"fail"`), there},
		{"3.27.9 pass", one(`"ruleId":"R","kind":"pass"`), "clean"},
		{"3.27.9 notApplicable", one(`"ruleId":"R","kind":"notApplicable"`), "clean"},
		{"3.27.9 informational", one(`"ruleId":"R","kind":"informational","level":"none"`), "clean"},
		{"3.27.9 open", one(`"ruleId":"R","kind":"open"`), "R[] none → :0"},
		{"3.27.9 review", one(`"ruleId":"R","kind":"review"`), "R[] none → :0"},
		{"3.27.9 pass, which is an error", one(`"ruleId":"R","kind":"pass","level":"error"`), "R[] high → :0"},
		{"3.27.9 a kind that nobody knows", one(`"ruleId":"R","kind":"fine"`), there},
		{"3.27.10 level", one(`"ruleId":"R","level":"note"`), "R[] low → :0"},
		{"3.27.10 none", one(`"ruleId":"R","level":"none"`), "R[] none → :0"},
		{"3.27.23 no suppressions", one(`"ruleId":"R","suppressions":[]`), there},
		{"3.27.23 null", one(`"ruleId":"R","suppressions":null`), there},
		{"3.35.3 without a status", one(`"ruleId":"R","suppressions":[{"kind":"inSource"}]`), "clean"},
		{"3.35.3 accepted", one(`"ruleId":"R","suppressions":[{"kind":"external","status":"accepted"}]`), "clean"},
		{"3.35.3 rejected", one(`"ruleId":"R","suppressions":[{"kind":"external","status":"rejected"}]`), there},
		{"3.35.3 underReview", one(`"ruleId":"R","suppressions":[{"kind":"external","status":"underReview"}]`), there},
		{"3.35.3 one accepted, one rejected", one(`"ruleId":"R","suppressions":[{"kind":"inSource","status":"accepted"},{"kind":"external","status":"rejected"}]`), there},
		{"3.35.3 a status that nobody knows", one(`"ruleId":"R","suppressions":[{"kind":"external","status":"maybe"}]`), there},
		{"3.27.24 absent", one(`"ruleId":"R","baselineState":"absent"`), "clean"},
		{"3.27.24 new", one(`"ruleId":"R","baselineState":"new"`), there},
		{"3.27.24 updated", one(`"ruleId":"R","baselineState":"updated"`), there},
		{"3.52.4 the rule's id alone", one(`"rule":{"id":"R"}`), there},
		{"3.27.8 classes", one(`"ruleId":"R","taxa":[{"id":"79","toolComponent":{"name":"CWE"}}]`), "R[CWE-79] medium → :0"},
		{"tags", one(`"ruleId":"R","properties":{"tags":["external/cwe/cwe-079","security","CVE-2020-8203"]}`), "R[CWE-79 CVE-2020-8203] medium → :0"},
		{"security-severity as a number", one(`"ruleId":"R","properties":{"security-severity":9.1}`), "R[] critical → :0"},
		{"neither rule nor words", sarifOf("", `"results":[{}]`), "partial"},
		{"a result that is none", sarifOf("", `"results":["x"]`), "partial"},
		{"no rule, but words", sarifOf("", `"results":[{"message":{"text":"m"}}]`), "m[] medium → :0"},

		{"3.4.3 a relative address", at(`{"physicalLocation":{"artifactLocation":{"uri":"a%20b.js"},"region":{"startLine":3}}}`), "R[] medium → a b.js:3"},
		{"3.4.3 a file's address", at(`{"physicalLocation":{"artifactLocation":{"uri":"file:///C:/code/a.c"}}}`), "R[] medium → C:/code/a.c:0"},
		{"3.33 a logical place alone", at(`{"logicalLocations":[{"fullyQualifiedName":"n::f"}]}`), "R[] medium → n::f:0"},
		{"3.27.13 the target alone", one(`"ruleId":"R","analysisTarget":{"uri":"t.dll"}`), "R[] medium → t.dll:0"},

		{"the same twice", two(physical(`"uri":"a"`, `"startLine":1`), physical(`"uri":"a"`, `"startLine":1`)), "R[] medium → a:1"},
		{"another column", two(physical(`"uri":"a"`, `"startLine":1,"startColumn":2`), physical(`"uri":"a"`, `"startLine":1,"startColumn":9`)), "R[] medium → a:1\nR[] medium → a:1"},
		{"another end", two(physical(`"uri":"a"`, `"startLine":1,"endLine":2`), physical(`"uri":"a"`, `"startLine":1,"endLine":3`)), "R[] medium → a:1\nR[] medium → a:1"},
		{"another offset", two(physical(`"uri":"a"`, `"byteOffset":1`), physical(`"uri":"a"`, `"byteOffset":2`)), "R[] medium → a:0\nR[] medium → a:0"},
		{"another artifact of a list", two(physical(`"index":1`, ``), physical(`"index":2`, ``)), "R[] medium → :0\nR[] medium → :0"},
		{"another function", two(`,"locations":[{"logicalLocations":[{"fullyQualifiedName":"f"}],"physicalLocation":{"artifactLocation":{"uri":"a"}}}]`, `,"locations":[{"logicalLocations":[{"fullyQualifiedName":"g"}],"physicalLocation":{"artifactLocation":{"uri":"a"}}}]`), "R[] medium → a:0\nR[] medium → a:0"},
		{"another second place", two(`,"locations":[{},{"physicalLocation":{"artifactLocation":{"uri":"a"}}}]`, `,"locations":[{},{"physicalLocation":{"artifactLocation":{"uri":"b"}}}]`), "R[] medium → :0\nR[] medium → :0"},
		{"another partial fingerprint", two(`,"partialFingerprints":{"commit":"1"}`, `,"partialFingerprints":{"commit":"2"}`), "R[] medium → :0\nR[] medium → :0"},
		{"the same fingerprint in another order", two(`,"partialFingerprints":{"a":"1","b":"2"}`, `,"partialFingerprints":{"b":"2","a":"1"}`), there},
	})
}

// TestSARIFRules finds the rules of results.
func TestSARIFRules(t *testing.T) {
	run := func(extensions, rules, result, more string) string {
		return fmt.Sprintf(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"T","guid":"d-guid","rules":[%s]},"extensions":[%s]},"results":[{"message":{"text":"m"},%s}]%s}]}`, rules, extensions, result, more)
	}
	rule := func(id, level string) string {
		return fmt.Sprintf(`{"id":%q,"guid":"guid-%s","defaultConfiguration":{"level":%q}}`, id, id, level)
	}
	pack := func(name string, rules string) string {
		return fmt.Sprintf(`{"name":%q,"guid":"guid-of-%s","rules":[%s]}`, name, name, rules)
	}
	a, b := pack("a", rule("X", "note")), pack("b", rule("X", "error"))
	override := func(level string) string {
		return `,"invocations":[{"executionSuccessful":true,"ruleConfigurationOverrides":[{"descriptor":{"id":"X","index":0},"configuration":{"level":"` + level + `"}}]}]`
	}
	const high, low = "X[] high → :0", "X[] low → :0"
	holdKinds(t, "sarif", []kind{
		{"3.27.6 by index", run("", rule("W", "note")+","+rule("X", "error"), `"ruleId":"X","ruleIndex":1`, ""), high},
		{"by id alone", run("", rule("W", "note")+","+rule("X", "error"), `"ruleId":"X"`, ""), high},
		{"the index alone", run("", rule("W", "note")+","+rule("X", "error"), `"ruleIndex":1`, ""), high},
		{"an index that points elsewhere", run("", rule("W", "note")+","+rule("X", "error"), `"ruleId":"X","ruleIndex":0`, ""), high},
		{"an index that points nowhere", run("", rule("X", "error"), `"ruleId":"X","ruleIndex":9`, ""), high},
		{"an index below zero", run("", rule("X", "error"), `"ruleId":"X","ruleIndex":-1`, ""), high},
		{"3.52.6 by guid", run("", rule("W", "note")+","+rule("X", "error"), `"rule":{"guid":"GUID-X"}`, ""), high},
		{"3.54.2 extension by index", run(a+","+b, "", `"rule":{"id":"X","index":0,"toolComponent":{"index":1}}`, ""), high},
		{"3.54.2 extension by guid", run(a+","+b, "", `"rule":{"id":"X","index":0,"toolComponent":{"guid":"guid-of-b"}}`, ""), high},
		{"3.54.3 extension by name alone", run(a+","+b, "", `"rule":{"id":"X","toolComponent":{"name":"b"}}`, ""), high},
		{"3.27.7 index beside, component in rule", run(a+","+b, "", `"ruleId":"X","ruleIndex":0,"rule":{"toolComponent":{"index":1}}`, ""), high},
		{"the driver by guid", run(a, rule("X", "error"), `"rule":{"id":"X","toolComponent":{"guid":"d-guid"}}`, ""), high},
		{"an extension that nothing names", run(b, "", `"ruleId":"X"`, ""), high},
		{"the driver comes first", run(a, rule("X", "error"), `"ruleId":"X"`, ""), high},
		{"3.5.4 a hierarchical id", run("", rule("CA1000", "error"), `"ruleId":"CA1000/1","ruleIndex":0`, ""), "CA1000/1[CA1000] high → :0"},
		{"3.5.4 without an index", run("", rule("CA1", "note")+","+rule("CA1000", "error"), `"ruleId":"CA1000/1"`, ""), "CA1000/1[CA1000] high → :0"},
		{"3.5.4 the longest rule", run("", rule("a", "note")+","+rule("a/b", "error"), `"ruleId":"a/b/c"`, ""), "a/b/c[a/b] high → :0"},
		{"3.5.4 a beginning that is no component", run("", rule("CA1", "error"), `"ruleId":"CA1000","ruleIndex":0`, ""), "CA1000[] medium → :0"},
		{"3.20.5 an override", run("", rule("X", "note"), `"ruleId":"X","ruleIndex":0`, override("error")), high},
		{"3.20.5 of the result's invocation", run("", rule("X", "note"), `"ruleId":"X","ruleIndex":0,"provenance":{"invocationIndex":0}`, override("error")), high},
		{"3.20.5 of another invocation", run("", rule("X", "note"), `"ruleId":"X","ruleIndex":0,"provenance":{"invocationIndex":1}`, override("error")), low},
		{"3.27.10 the result's own stands", run("", rule("X", "note"), `"ruleId":"X","level":"error"`, override("note")), high},
		{"3.49.5 former ids", run("", `{"id":"X","deprecatedIds":["OLD"]}`, `"ruleId":"X"`, ""), "X[OLD] medium → :0"},
		{"3.49.15 classes above", run("", `{"id":"X","relationships":[{"target":{"id":"327","toolComponent":{"name":"CWE","index":0}},"kinds":["superset"]}]}`, `"ruleId":"X"`, `,"taxonomies":[{"name":"CWE","taxa":[{"id":"327"}]}]`), "X[CWE-327] medium → :0"},
		{"3.49.15 a class by index", run("", `{"id":"X","relationships":[{"target":{"index":1,"toolComponent":{"index":0}},"kinds":["superset"]}]}`, `"ruleId":"X"`, `,"taxonomies":[{"name":"CWE","taxa":[{"id":"1"},{"id":"327"}]}]`), "X[CWE-327] medium → :0"},
	})
}

// TestSARIFVerdict: a run that failed or is incomplete proves nothing clean.
func TestSARIFVerdict(t *testing.T) {
	invocation := func(text string) string {
		return sarifOf(`,"notifications":[{"id":"N","defaultConfiguration":{"level":"error"}}]`, `"results":[],"invocations":[`+text+`]`)
	}
	clean := `{"tool":{"driver":{"name":"A"}},"results":[],"invocations":[{"executionSuccessful":true}]}`
	runs := func(list string) string { return `{"version":"2.1.0","runs":[` + list + `]}` }
	holdKinds(t, "sarif", []kind{
		{"it succeeded", invocation(`{"executionSuccessful":true,"exitCode":1}`), "clean"},
		{"it failed", invocation(`{"executionSuccessful":false}`), "partial"},
		{"one of two failed", invocation(`{"executionSuccessful":true},{"executionSuccessful":false}`), "partial"},
		{"3.20.21 an error", invocation(`{"executionSuccessful":true,"toolExecutionNotifications":[{"level":"error","message":{"text":"x"}}]}`), "partial"},
		{"3.20.21 a warning", invocation(`{"executionSuccessful":true,"toolExecutionNotifications":[{"level":"warning","message":{"text":"x"}}]}`), "clean"},
		{"3.20.22 an error", invocation(`{"executionSuccessful":true,"toolConfigurationNotifications":[{"level":"error","message":{"text":"x"}}]}`), "partial"},
		{"3.58.6 an error by default", invocation(`{"executionSuccessful":true,"toolExecutionNotifications":[{"descriptor":{"id":"N","index":0},"message":{"text":"x"}}]}`), "partial"},
		{"3.20.6 an error by override", invocation(`{"executionSuccessful":true,"toolExecutionNotifications":[{"descriptor":{"id":"M"},"message":{"text":"x"}}],"notificationConfigurationOverrides":[{"descriptor":{"id":"N","index":0},"configuration":{"level":"note"}}]}`), "clean"},
		{"3.20.13 it did not start", invocation(`{"processStartFailureMessage":"not found"}`), "partial"},
		{"3.20.11 it was killed", invocation(`{"executionSuccessful":true,"exitSignalName":"SIGKILL"}`), "partial"},
		{"it only has an exit code", invocation(`{"exitCode":2}`), "partial"},
		{"two runs", runs(clean + `,` + clean), "clean"},
		{"the first failed", runs(`{"tool":{"driver":{"name":"B"}},"results":[],"invocations":[{"executionSuccessful":false}]},` + clean), "partial"},
		{"the last failed", runs(clean + `,{"tool":{"driver":{"name":"B"}},"results":[],"invocations":[{"executionSuccessful":false}]}`), "partial"},
		{"3.14.23 one without results", runs(clean + `,{"tool":{"driver":{"name":"B"}}}`), "partial"},
		{"3.14.23 null", runs(`{"tool":{"driver":{"name":"B"}},"results":null}`), "partial"},
		{"no runs", runs(``), "nothing"},
		{"3.14.2 results elsewhere", sarifOf("", `"results":[],"externalPropertyFileReferences":{"results":[{"location":{"uri":"x"}}]}`), "partial"},
		{"3.14.2 classes elsewhere", sarifOf("", `"results":[],"externalPropertyFileReferences":{"taxonomies":[{"guid":"x"}]}`), "clean"},
		{"3.13.5 results beside the runs", `{"version":"2.1.0","runs":[` + clean + `],"inlineExternalProperties":[{"results":[{"ruleId":"R"}]}]}`, "partial"},
		{"two tools", runs(`{"tool":{"driver":{"name":"A","version":"1"}},"results":[{"ruleId":"R","message":{"text":"m"}}]},{"tool":{"driver":{"name":"B"}},"results":[{"ruleId":"R","message":{"text":"m"}}]}`), "R[] medium → :0 A\nR[] medium → :0 B"},
		{"one tool twice", runs(`{"tool":{"driver":{"name":"A"}},"results":[{"ruleId":"R","message":{"text":"m"}}]},{"tool":{"driver":{"name":"A"}},"results":[{"ruleId":"R","message":{"text":"m"}}]}`), "R[] medium → :0"},
	})
}

// TestSARIFPlaces resolves addresses, and messages of the rule.
func TestSARIFPlaces(t *testing.T) {
	at := func(artifact, run string) string {
		return sarifOf("", `"results":[{"ruleId":"R","message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{`+artifact+`}}}]}]`+run)
	}
	bases := `,"originalUriBaseIds":{"%SRCROOT%":{"uri":"file:///home/ci/work/"},"SRC":{"uri":"src/","uriBaseId":"%SRCROOT%"},"ABS":{"uri":"file:///home/ci/work/lib/"},"FAR":{"uri":"file:///opt/x/"}}`
	artifacts := `,"artifacts":[{"location":{"uri":"a.zip"}},{"location":{"uri":"in/b.c"},"parentIndex":0},{"location":{"uri":"c.c","uriBaseId":"SRC"}}]`
	is := func(path string) string { return "R[] medium → " + path + ":0" }
	holdKinds(t, "sarif", []kind{
		{"under the root", at(`"uri":"a.c","uriBaseId":"%SRCROOT%"`, bases), is("a.c")},
		{"under a folder of the root", at(`"uri":"a.c","uriBaseId":"SRC"`, bases), is("src/a.c")},
		{"under a folder whose address is whole", at(`"uri":"a.c","uriBaseId":"ABS"`, bases), is("lib/a.c")},
		{"outside the root", at(`"uri":"a.c","uriBaseId":"FAR"`, bases), is("/opt/x/a.c")},
		{"under what nothing says", at(`"uri":"a.c","uriBaseId":"NONE"`, bases), is("a.c")},
		{"3.4.5 by index", at(`"index":0`, artifacts), is("a.zip")},
		{"3.24.3 within another", at(`"index":1`, artifacts), is("a.zip/in/b.c")},
		{"by index, under a folder", at(`"index":2`, artifacts+bases), is("src/c.c")},
		{"an index that points nowhere", at(`"index":7`, artifacts), is("")},
		{"a circle of artifacts", at(`"index":0`, `,"artifacts":[{"location":{"uri":"a"},"parentIndex":0}]`), is("a")},
		{"a circle of bases", at(`"uri":"a","uriBaseId":"X"`, `,"originalUriBaseIds":{"X":{"uri":"x/","uriBaseId":"X"}}`), is("x/x/x/x/x/x/x/x/a")},
	})
	for want, result := range map[string]string{
		"Value count of 2 is {odd}.": `{"ruleId":"R","message":{"id":"default","arguments":["count","2"]}}`,
		"of all rules":               `{"ruleId":"R","message":{"id":"global"}}`,
		"in words":                   `{"ruleId":"R","message":{"text":"in words"}}`,
		"**marked**":                 `{"ruleId":"R","message":{"markdown":"**marked**"}}`,
		"nobody a b":                 `{"ruleId":"R","message":{"id":"nobody","arguments":["a","b"]}}`,
	} {
		r, err := Read([]byte(sarifOf(`,"rules":[{"id":"R","messageStrings":{"default":{"text":"Value {0} of {1} is {{odd}}."}}}],"globalMessageStrings":{"global":{"text":"of all rules"}}`, `"results":[`+result+`]`)))
		if err != nil || len(r.Findings) != 1 || r.Findings[0].Title != want {
			t.Errorf("%s: %+v, %v; want %q", result, r.Findings, err, want)
		}
	}
}

// TestSARIFPackages reads packages from the texts of tools.
func TestSARIFPackages(t *testing.T) {
	log := func(rule, result string) string {
		return sarifOf(`,"rules":[{"id":`+rule+`}]`, `"results":[`+result+`]`)
	}
	holdKinds(t, "sarif", []kind{
		{"Trivy", log(`"CVE-1","properties":{"security-severity":"9.8"}`, `{"ruleId":"CVE-1","message":{"text":"Package: libfoo\nInstalled Version: 3.0.1-r0\nVulnerability CVE-1\nSeverity: MEDIUM\nFixed Version: 3.0.2-r0\nLink: x"}}`), "CVE-1[] medium libfoo 3.0.1-r0→3.0.2-r0 :0"},
		{"Trivy, without a fix", log(`"CVE-1"`, `{"ruleId":"CVE-1","message":{"text":"Package: libfoo\nInstalled Version: 3.0.1-r0\nVulnerability CVE-1\nSeverity: LOW\nFixed Version: \nLink: x"}}`), "CVE-1[] low libfoo 3.0.1-r0→ :0"},
		{"Trivy, a misconfiguration", log(`"DS002"`, `{"ruleId":"DS002","level":"error","message":{"text":"Artifact: Dockerfile\nType: dockerfile\nVulnerability DS002\nSeverity: HIGH\nMessage: x"}}`), "DS002[] high → :0"},
		{"Grype", log(`"GHSA-35jh-r3h4-6jhm-lodash","help":{"text":"Vulnerability GHSA\nSeverity: high\nPackage: lodash\nVersion: 4.17.15\nFix Version: 4.17.21\nType: npm\nLocation: x"},"properties":{"purls":["pkg:npm/lodash@4.17.15"]}`, `{"ruleId":"GHSA-35jh-r3h4-6jhm-lodash","message":{"text":"A high vulnerability in npm package: lodash, version 4.17.15 was found at: /x"}}`), "GHSA-35jh-r3h4-6jhm[GHSA-35jh-r3h4-6jhm-lodash] high lodash 4.17.15→4.17.21 :0"},
		{"Grype, formerly", log(`"CVE-2008-0732-j2ee_1.1_spec"`, `{"ruleId":"CVE-2008-0732-j2ee_1.1_spec","message":{"text":"The path lib/j.jar reports j2ee_1.1_spec at version 1.0.1  which would result in a vulnerable (java-archive) package installed"}}`), "CVE-2008-0732[CVE-2008-0732-j2ee_1.1_spec] medium j2ee_1.1_spec 1.0.1→ :0"},
		{"osv-scanner", log(`"CVE-1","deprecatedIds":["CVE-1","GHSA-1"]`, `{"ruleId":"CVE-1","message":{"text":"Package '@scope/p@4.17.15' is vulnerable to 'CVE-1' (also known as 'GHSA-1')."}}`), "CVE-1[GHSA-1] medium @scope/p 4.17.15→ :0"},
		{"Snyk", log(`"SNYK-JS-LODASH-590103","fullDescription":{"text":"(CVE-2020-8203) lodash@4.17.15"},"properties":{"tags":["security","CWE-400","npm"]}`, `{"ruleId":"SNYK-JS-LODASH-590103","level":"error","message":{"text":"This file introduces a vulnerable lodash package."},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"package.json"}},"logicalLocations":[{"fullyQualifiedName":"lodash@4.17.15"}]}]}`), "SNYK-JS-LODASH-590103[CWE-400 CVE-2020-8203] high lodash 4.17.15→ package.json:0"},
		{"dependency-check", log(`"CVE-2021-1"`, `{"ruleId":"CVE-2021-1","message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"file:///l/a.jar"}},"logicalLocations":[{"fullyQualifiedName":"pkg:maven/g/a@1"}]}]}`), "CVE-2021-1[] medium g:a 1→ /l/a.jar:0"},
	})
}
