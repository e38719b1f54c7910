package platform

import "strings"

// Webhook returns the platform whose verified webhooks alone have events of a type, as
// "github"; "" for types that others may send, too.
func Webhook(eventType string) string {
	switch {
	case strings.HasPrefix(eventType, github):
		return "github"
	case strings.HasPrefix(eventType, gitlab):
		return "gitlab"
	case strings.HasPrefix(eventType, jira):
		return "jira"
	}
	return ""
}
