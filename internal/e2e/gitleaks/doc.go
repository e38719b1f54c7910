// Package gitleaks holds package secrets against gitleaks itself: its rules are those of
// the module, and what it finds is found.
package gitleaks
