package wstest

import "testing"

func TestParseMetrics(t *testing.T) {
	const head = "# HELP a What it is.\n# TYPE a counter\n"
	const histogram = "# HELP h H.\n# TYPE h histogram\n"
	for _, row := range []struct {
		text string
		ok   bool
	}{
		{"", true},
		{head, true},
		{head + "a 1\n", true},
		{head + "a{x=\"1\"} 1\na{x=\"2\",y=\"\\\"\\n\\\\\"} 2\n", true},
		{histogram + "h_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", true},
		{head + "a 1", false},
		{"a 1\n", false},
		{head + "b 1\n", false},
		{head + "a 1\na 2\n", false},
		{head + "a -1\n", false},
		{head + "a one\n", false},
		{head + "a{x=1} 1\n", false},
		{head + "a{x=\"\\t\"} 1\n", false},
		{head + "a{} 1\n", false},
		{head + head, false},
		{"# HELP a A.\n# TYPE b gauge\n", false},
		{"# HELP a A.\n# TYPE a number\n", false},
		{"# HELP a A.\na 1\n", false},
		{histogram + "h_bucket{le=\"0.1\"} 1\nh_sum 3\nh_count 1\n", false},
		{histogram + "h_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", false},
		{histogram + "h_bucket{le=\"1\"} 1\nh_bucket{le=\"0.5\"} 2\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n", false},
		{histogram + "h_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 3\n", false},
		{histogram + "h_bucket{le=\"+Inf\"} 2\nh_count 2\n" + head, false},
	} {
		if _, err := ParseMetrics(row.text); (err == nil) != row.ok {
			t.Errorf("%q: %v", row.text, err)
		}
	}
}
