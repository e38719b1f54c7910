package platform

import "strings"

// Webhook returns the platform, such as "github", whose verified webhooks are the only source of
// events of a type. It is "" for types that others may send, too.
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
