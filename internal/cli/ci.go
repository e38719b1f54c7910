package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/ingest/platform"
	"github.com/changetrail/changetrail/record"
)

// A ciJob is what the environment of a CI job says about it.
type ciJob struct {
	provider                              string // "" outside the CI systems that are known
	repository, change, commit, name, url string
	// run is the run or pipeline of the job. attempt, a number as text, grows with each attempt.
	run, attempt string
	// temporary: a merge queue or merge train made the commit for this job. It is not the head of the
	// change.
	temporary bool
}

// ciJobOf reads the job from the environment of GitHub Actions, GitLab CI or Jenkins. CI often
// tests a pull request as a temporary merge commit; commit is the head of the change, unless
// temporary says that the environment does not name the head.
func ciJobOf(getenv func(string) string) ciJob {
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		return githubJob(getenv)
	case getenv("GITLAB_CI") == "true":
		return gitlabJob(getenv)
	case getenv("JENKINS_URL") != "":
		j := ciJob{provider: "jenkins", commit: getenv("GIT_COMMIT"), name: getenv("JOB_NAME"), url: getenv("BUILD_URL"), run: getenv("JOB_NAME"), attempt: getenv("BUILD_NUMBER")}
		j.repository = string(record.RepositoryAt(getenv("GIT_URL")))
		if id, err := record.ParseChange(getenv("CHANGE_URL")); err == nil { // a multibranch build of a change
			j.change = string(id)
		}
		return j
	}
	return ciJob{}
}

func gitlabJob(getenv func(string) string) ciJob {
	head := getenv("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") // only in pipelines of a merged result or a merge train
	j := ciJob{provider: "gitlab-ci", commit: cmp.Or(head, getenv("CI_COMMIT_SHA")), name: getenv("CI_JOB_NAME"), url: getenv("CI_JOB_URL"), run: getenv("CI_PIPELINE_ID"), attempt: getenv("CI_JOB_ID")}
	j.repository = string(record.RepositoryAt(getenv("CI_PROJECT_URL")))
	if iid := getenv("CI_MERGE_REQUEST_IID"); iid != "" {
		j.change = string(record.RepositoryAt(cmp.Or(getenv("CI_MERGE_REQUEST_PROJECT_URL"), getenv("CI_PROJECT_URL")))) + "/merge_requests/" + iid
		kind := getenv("CI_MERGE_REQUEST_EVENT_TYPE")
		j.temporary = head == "" && (kind == "merged_result" || kind == "merge_train")
	}
	return j
}

func githubJob(getenv func(string) string) ciJob {
	at := getenv("GITHUB_SERVER_URL") + "/" + getenv("GITHUB_REPOSITORY")
	j := ciJob{
		provider: "github-actions", repository: string(record.RepositoryAt(at)), commit: getenv("GITHUB_SHA"), url: at + "/actions/runs/" + getenv("GITHUB_RUN_ID"),
		name: strings.Trim(getenv("GITHUB_WORKFLOW")+" / "+getenv("GITHUB_JOB"), " /"), run: getenv("GITHUB_RUN_ID"), attempt: getenv("GITHUB_RUN_ATTEMPT"),
	}
	var event struct {
		PullRequest struct {
			URL  string `json:"html_url"`
			Head struct {
				SHA string `json:"sha"`
			} `json:"head"`
		} `json:"pull_request"`
		MergeGroup struct {
			HeadRef string `json:"head_ref"`
		} `json:"merge_group"`
	}
	text, err := os.ReadFile(getenv("GITHUB_EVENT_PATH"))
	if err != nil || json.Unmarshal(text, &event) != nil {
		return j // it is not a pull request event, or it cannot be read
	}
	if number := platform.QueuedPull(event.MergeGroup.HeadRef); number != "" {
		j.change, j.temporary = j.repository+"/pull/"+number, true
		return j
	}
	if id, err := record.ParseChange(event.PullRequest.URL); err == nil {
		j.change, j.commit = string(id), cmp.Or(event.PullRequest.Head.SHA, j.commit)
	}
	return j
}

// head returns the newest commit of the change of a job. If a merge queue made the job's commit,
// GitHub is asked: neither the event nor the queue's branch names the head. A push removes the pull
// request from the queue, so that what is merged is never newer.
func (j ciJob) head(ctx context.Context, getenv func(string) string) (string, error) {
	if !j.temporary {
		return j.commit, nil
	}
	if j.provider != "github-actions" {
		return "", fmt.Errorf("this job runs on a temporary merge commit, and its environment does not name the newest commit of %s; name it with --commit", j.change)
	}
	_, _, number := record.ChangeID(j.change).Split()
	head, err := githubHead(ctx, getenv, number)
	if err != nil {
		return "", fmt.Errorf("this job runs on a temporary commit of the merge queue, and GitHub does not say what the newest commit of %s is: %w; set GITHUB_TOKEN to ${{ github.token }} with the permission pull-requests: read, or give --commit", j.change, err)
	}
	return head, nil
}

// githubHead asks GitHub's API for the head of a pull request.
func githubHead(ctx context.Context, getenv func(string) string, number string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	at := cmp.Or(getenv("GITHUB_API_URL"), "https://api.github.com") + "/repos/" + getenv("GITHUB_REPOSITORY") + "/pulls/" + number
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	if token := getenv("GITHUB_TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return "", err
	}
	var pull struct {
		Number int `json:"number"`
		Head   struct {
			SHA string `json:"sha"`
		} `json:"head"`
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s", at, res.Status)
	}
	if err := json.Unmarshal(text, &pull); err != nil || strconv.Itoa(pull.Number) != number || pull.Head.SHA == "" {
		return "", fmt.Errorf("%s does not answer with the pull request", at)
	}
	return pull.Head.SHA, nil
}

// fill sets from the job what the command line leaves out.
func (f *about) fill(j ciJob) {
	if f.change == "" && f.repository == "" && f.commit == "" {
		f.change, f.commit = j.change, j.commit
		if j.change == "" {
			f.repository = j.repository
		}
	}
	f.url, f.provider = cmp.Or(f.url, j.url), cmp.Or(f.provider, j.provider)
	f.name = cmp.Or(f.name, j.name, "tests")
	if f.provider == j.provider {
		f.run = j.run
		f.attempt, _ = strconv.ParseInt(j.attempt, 10, 64) // 0 if it is not a number
	}
}

// what describes what a report is about.
func (f *about) what() string {
	s := cmp.Or(f.change, f.repository)
	if f.commit != "" {
		s += ", commit " + f.commit
	}
	return s
}

// ciToken gets an OIDC token of this job from GitHub Actions, for the gateway at address. It is
// "" outside GitHub Actions, and if the workflow lacks the permission id-token: write.
func ciToken(ctx context.Context, getenv func(string) string, address string) (string, error) {
	at, bearer := getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if at == "" || bearer == "" {
		return "", nil
	}
	u, err := url.Parse(at)
	if err != nil {
		return "", fmt.Errorf("ACTIONS_ID_TOKEN_REQUEST_URL: %w", err)
	}
	q := u.Query()
	q.Set("audience", strings.TrimRight(address, "/"))
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("the OIDC token of GitHub Actions: %w", err)
	}
	defer res.Body.Close()
	var answer struct {
		Value string `json:"value"`
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err == nil && answer.Value == "" {
		err = errors.New(res.Status)
	}
	if err != nil {
		return "", fmt.Errorf("the OIDC token of GitHub Actions: %w", err)
	}
	return answer.Value, nil
}
