package siem

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/changetrail/changetrail/internal/printable"
	"github.com/changetrail/changetrail/stream"
)

// A FrontEnd is OpenSearch Dashboards or Kibana.
type FrontEnd struct {
	Name               string // for messages: [OpenSearchDashboards] or [Kibana]
	URL                string // with the path of a space, if any
	Username, Password string
	APIKey             string // Kibana only
	Client             *http.Client
}

// Names of the front ends.
const (
	OpenSearchDashboards = "OpenSearch Dashboards"
	Kibana               = "Kibana"
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 256 << 20

// Install imports the objects that f does not have, or has in another form, and returns what it
// found and did. It never deletes an object, and leaves those of others as they are.
func Install(ctx context.Context, f FrontEnd, objects []Object, dryRun bool) ([]stream.Step, error) {
	there, err := f.stored(ctx, objects)
	if err != nil {
		return nil, err
	}
	var steps []stream.Step
	var differ []Object
	for _, o := range objects {
		step := stream.Step{What: fmt.Sprintf("%s: %s %s", f.Name, o.Type, o.ID)}
		switch description, is := there[key{o.Type, o.ID}]; {
		case !is:
			step.Change = "create"
		case description != o.Attributes["description"]:
			step.Change = "update"
		}
		if step.Change != "" {
			differ = append(differ, o)
		}
		steps = append(steps, step)
	}
	if dryRun || len(differ) == 0 {
		return steps, nil
	}
	return steps, f.load(ctx, differ)
}

type key struct{ typ, id string }

// stored returns the descriptions of the objects that f has.
func (f FrontEnd) stored(ctx context.Context, objects []Object) (map[key]string, error) {
	wanted := make(map[string]bool)
	var types []string
	for _, o := range objects {
		if !wanted[o.Type] {
			wanted[o.Type] = true
			types = append(types, o.Type)
		}
	}
	body, err := json.Marshal(object{"type": types, "excludeExportDetails": true})
	if err != nil {
		return nil, err
	}
	answer, err := f.post(ctx, "/api/saved_objects/_export", "application/json", body)
	if err != nil {
		return nil, err
	}
	out := make(map[key]string)
	lines := bufio.NewReader(bytes.NewReader(answer))
	for {
		line, end := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var o struct {
				Type       string `json:"type"`
				ID         string `json:"id"`
				Origin     string `json:"originId"` // the id in another space
				Attributes struct {
					Description string `json:"description"`
				} `json:"attributes"`
			}
			if err := json.Unmarshal(line, &o); err != nil {
				return nil, fmt.Errorf("%s: the answer of %s is not a list of saved objects: %w", f.Name, f.URL, err)
			}
			if out[key{o.Type, o.ID}] = o.Attributes.Description; o.Origin != "" {
				out[key{o.Type, o.Origin}] = o.Attributes.Description
			}
		}
		if errors.Is(end, io.EOF) {
			return out, nil
		}
		if end != nil {
			return nil, end
		}
	}
}

// load imports objects and overwrites those with the same ids.
func (f FrontEnd) load(ctx context.Context, objects []Object) error {
	file, err := NDJSON(objects)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "changetrail.ndjson")
	if err != nil {
		return err
	}
	if _, err := part.Write(file); err != nil {
		return err
	}
	if err := form.Close(); err != nil {
		return err
	}
	answer, err := f.post(ctx, "/api/saved_objects/_import?overwrite=true", form.FormDataContentType(), body.Bytes())
	if err != nil {
		return err
	}
	var done struct {
		Success bool          `json:"success"`
		Count   int           `json:"successCount"`
		Errors  []importError `json:"errors"`
	}
	if err := json.Unmarshal(answer, &done); err != nil {
		return fmt.Errorf("%s: the answer to the import is not what %s documents: %w", f.Name, f.Name, err)
	}
	if done.Success && done.Count == len(objects) && len(done.Errors) == 0 {
		return nil
	}
	err = fmt.Errorf("%s imported %d of %d saved objects", f.Name, done.Count, len(objects))
	for _, e := range done.Errors {
		err = fmt.Errorf("%w; %s %s: %s", err, e.Type, e.ID, e.reason())
	}
	return err
}

// An importError says why one object was not imported.
type importError struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Error struct {
		Type       string      `json:"type"`
		Message    string      `json:"message"`
		References []Reference `json:"references"`
	} `json:"error"`
}

func (e importError) reason() string {
	out := strings.TrimSpace(e.Error.Type + " " + e.Error.Message)
	for _, r := range e.Error.References {
		out += " " + r.Type + " " + r.ID
	}
	return out
}

// post sends a request that must succeed.
func (f FrontEnd) post(ctx context.Context, path, contentType string, body []byte) ([]byte, error) {
	base, err := url.Parse(f.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("%s: %q is not a URL such as https://dashboards.example.com", f.Name, f.URL)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(f.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	header := "kbn-xsrf"
	if f.Name == OpenSearchDashboards {
		header = "osd-xsrf"
	}
	req.Header.Set(header, "changetrail")
	switch {
	case f.APIKey != "":
		req.Header.Set("Authorization", "ApiKey "+f.APIKey)
	case f.Username != "" || f.Password != "":
		req.SetBasicAuth(f.Username, f.Password)
	}
	res, err := f.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: reading the answer to POST %s: %w", f.Name, path, err)
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("%s: HTTP %d: the credentials are missing or wrong, or may not write saved objects; set sink.username and sink.password, or sink.api_key: %s", f.Name, res.StatusCode, printable.Beginning(answer, 500))
	case res.StatusCode >= http.StatusMultipleChoices:
		return nil, fmt.Errorf("%s: POST %s: HTTP %d: %s", f.Name, path, res.StatusCode, printable.Beginning(answer, 500))
	}
	return answer, nil
}
