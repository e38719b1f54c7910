package schemas

// FreeText reports whether a member of the data of an event holds what an agent or
// a person wrote freely, and what a secret may have been spilled into: the
// arguments and results of tools, reasons, titles, addresses. Nothing is joined by
// it. A report is not free text: its digest is evidence.
func FreeText(member string) bool {
	switch member {
	case "arguments", "result", "rationale", "reason", "reasons", "title", "summary", "subject", "description", "reference", "url", "errors", "customData":
		return true
	}
	return false
}
