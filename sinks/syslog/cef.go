package syslog

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/changetrail/changetrail/sinks"
	"github.com/changetrail/changetrail/sinks/outline"
)

// urgency is the severity of CEF, from 0 to 10.
var urgency = map[outline.Severity]string{outline.Info: "1", outline.Low: "3", outline.Medium: "6", outline.High: "8", outline.Critical: "10"}

// largestField is the size that CEF bounds msg to; a longer message is left out, since the document
// has it in full.
const largestField = 1023

// appendCEF writes a document in ArcSight's Common Event Format, version 0: the fields that CEF has
// names for, and the whole document as JSON in the field changetrailDocument.
func appendCEF(b []byte, version string, d sinks.Document, o outline.Outline) []byte {
	b = append(b, "CEF:0|changetrail|changetrail|"...)
	b = append(b, inHeader(cmp.Or(version, "unknown"))+"|"+inHeader(o.Type)+"|"+inHeader(cmp.Or(o.Action, o.Type))+"|"+urgency[o.Severity]+"|"...)
	change, revision := "", ""
	if o.Change != "" {
		change = "change"
	}
	number := ""
	if d.Version > 0 {
		number, revision = strconv.FormatInt(d.Version, 10), "revision"
	}
	message := o.Message
	if len(message) > largestField {
		message = ""
	}
	first := true
	for _, f := range [...][2]string{
		{"rt", milliseconds(o.Time)},
		{"cat", o.Class},
		{"externalId", d.ID},
		{"act", o.Action},
		{"outcome", o.Outcome},
		{"suser", o.User},
		{"request", o.URL},
		{"cs1Label", change},
		{"cs1", o.Change},
		{"cn1Label", revision},
		{"cn1", number},
		{"msg", message},
		{"changetrailDocument", string(o.Body)},
	} {
		if f[1] == "" {
			continue
		}
		if !first {
			b = append(b, ' ')
		}
		first = false
		b = append(b, f[0]+"="+inExtension(f[1])...)
	}
	return b
}

func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

var (
	headerEscapes    = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\r\n", " ", "\n", " ", "\r", " ")
	extensionEscapes = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\n", `\n`, "\r", `\r`)
)

// inHeader escapes a value of the header, which cannot have line breaks.
func inHeader(s string) string { return headerEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD")) }

// inExtension escapes a value of the extension.
func inExtension(s string) string {
	return extensionEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD"))
}
