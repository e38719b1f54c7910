// Package gitleaks compares package secrets with gitleaks itself: both have the same rules, and
// secrets finds whatever gitleaks finds.
package gitleaks
