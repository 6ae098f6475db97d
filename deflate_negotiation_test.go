package websocket

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// The tests in this file are about the negotiation of permessage-deflate: RFC 7692, sections 5 and 7.1.

// window is a deflateContext as the tables write it: "15", or "15-" without takeover.
func (c deflateContext) String() string {
	if c.takeover {
		return fmt.Sprint(c.bits)
	}
	return fmt.Sprint(c.bits, "-")
}

func offersOf(t *testing.T, values ...string) []extension {
	t.Helper()
	list, ok := parseExtensions(values)
	if !ok {
		t.Fatalf("%q is no list", values)
	}
	return list
}

// RFC 7692, section 7.1: what the parameters of an offer and of an answer may look like. A bad one is declined in an
// offer, and refused in an answer.
func TestRFC7692Section7_1_Parameters(t *testing.T) {
	for _, c := range []struct {
		params        string
		offer, answer string // as they are written again, "" if they are not accepted
	}{
		{"", "permessage-deflate", "permessage-deflate"},
		{"; server_no_context_takeover", "permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"},
		{"; client_no_context_takeover", "permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"},
		{"; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"},
		{"; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"},
		{"; client_max_window_bits", "permessage-deflate; client_max_window_bits", ""},
		{
			";client_max_window_bits=8;server_max_window_bits=15;client_no_context_takeover;server_no_context_takeover",
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15; client_max_window_bits=8",
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15; client_max_window_bits=8",
		},
		{`; server_max_window_bits="9"`, "permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=9"},
		{`; client_max_window_bits = "1\5"`, "permessage-deflate; client_max_window_bits=15", "permessage-deflate; client_max_window_bits=15"},

		{"; server_no_context_takeover=1", "", ""},
		{`; server_no_context_takeover="true"`, "", ""},
		{"; client_no_context_takeover=0", "", ""},
		{"; server_max_window_bits", "", ""},
		{"; server_max_window_bits=7", "", ""},
		{"; server_max_window_bits=16", "", ""},
		{"; server_max_window_bits=0", "", ""},
		{"; server_max_window_bits=08", "", ""},
		{"; server_max_window_bits=010", "", ""},
		{"; server_max_window_bits=+9", "", ""},
		{"; server_max_window_bits=-9", "", ""},
		{"; server_max_window_bits=9.0", "", ""},
		{"; server_max_window_bits=0x9", "", ""},
		{"; server_max_window_bits=1_0", "", ""},
		{"; server_max_window_bits=9a", "", ""},
		{"; server_max_window_bits=18446744073709551625", "", ""},
		{"; client_max_window_bits=7", "", ""},
		{"; client_max_window_bits=16", "", ""},
		{"; client_max_window_bits=09", "", ""},
		{"; client_max_window_bits=+15", "", ""},
		{"; client_max_window_bits=true", "", ""},
		{"; server_no_context_takeover; server_no_context_takeover", "", ""},
		{"; client_no_context_takeover; client_no_context_takeover", "", ""},
		{"; server_max_window_bits=9; server_max_window_bits=9", "", ""},
		{"; client_max_window_bits; client_max_window_bits=10", "", ""},
		{"; x", "", ""},
		{"; x-webkit-deflate-frame=1", "", ""},
		{"; server_max_window_bit=9", "", ""},
		{"; Server_No_Context_Takeover", "", ""},
		{"; client_max_window_bits; x=1", "", ""},
	} {
		e := offersOf(t, extensionDeflate+c.params)[0]
		for _, isAnswer := range []bool{false, true} {
			want := c.offer
			if isAnswer {
				want = c.answer
			}
			o, ok := parseDeflate(e.params, isAnswer)
			if ok != (want != "") || ok && o.String() != want {
				t.Errorf("%q, answer %v: %v, %v, want %q", c.params, isAnswer, o, ok, want)
			}
		}
	}
	for _, noValue := range []string{`; server_max_window_bits=""`, "; server_max_window_bits=", `; server_max_window_bits="1 0"`} {
		if list, ok := parseExtensions([]string{extensionDeflate + noValue}); ok { // if the grammar takes it, this does not
			if _, ok := parseDeflate(list[0].params, true); ok {
				t.Errorf("%q is accepted", noValue)
			}
		}
	}
}

// no is a context that is not taken over.
func no(bits int) CompressionContext { return CompressionContext{NoTakeover: true, WindowBits: bits} }

func upTo(bits int) CompressionContext { return CompressionContext{WindowBits: bits} }

// What a server answers to offers, and does then. RFC 7692, sections 5.1, 7.1.1 and 7.1.2.
func TestAcceptDeflate(t *testing.T) {
	const (
		pd   = "permessage-deflate"
		snct = "; server_no_context_takeover"
		cnct = "; client_no_context_takeover"
		cmwb = "; client_max_window_bits"
		smwb = "; server_max_window_bits"
	)
	full := Compression{Send: upTo(15), Receive: upTo(15)}
	for _, c := range []struct {
		ours          Compression
		offer         string
		answer        string // "" if all offers are declined
		send, receive string
	}{
		// The default: 12 bits.
		{Compression{}, pd, pd + cnct, "12", "15-"}, // the client cannot be limited
		{Compression{}, pd + cmwb, pd + cmwb + "=12", "12", "12"},
		{Compression{}, pd + cmwb + "=15", pd + cmwb + "=12", "12", "12"},
		{Compression{}, pd + cmwb + "=10", pd + cmwb + "=10", "12", "10"},
		{Compression{}, pd + cmwb + smwb + "=15", pd + smwb + "=12" + cmwb + "=12", "12", "12"},
		{Compression{}, pd + cmwb + smwb + "=9", pd + smwb + "=9" + cmwb + "=12", "9", "12"},
		{Compression{}, pd + cmwb + snct, pd + snct + cmwb + "=12", "12-", "12"},
		{Compression{}, pd + cmwb + cnct, pd + cnct + cmwb + "=12", "12", "12-"},

		// All of it.
		{full, pd, pd, "15", "15"},
		{full, pd + cmwb, pd, "15", "15"},
		{full, pd + cmwb + "=15", pd, "15", "15"},
		{full, pd + cmwb + "=8", pd + cmwb + "=8", "15", "8"},
		{full, pd + smwb + "=15", pd + smwb + "=15", "15", "15"},
		{full, pd + smwb + "=8", pd + smwb + "=8", "8", "15"},
		{full, pd + snct, pd + snct, "15-", "15"},
		{full, pd + cnct, pd + cnct, "15", "15-"},
		{full, pd + snct + cnct + smwb + "=11" + cmwb + "=10", pd + snct + cnct + smwb + "=11" + cmwb + "=10", "11-", "10-"},

		// No takeover of our own.
		{Compression{Send: no(15), Receive: upTo(15)}, pd, pd + snct, "15-", "15"},
		{Compression{Send: upTo(15), Receive: no(15)}, pd, pd + cnct, "15", "15-"},
		{Compression{Send: no(0), Receive: no(0)}, pd, pd + snct + cnct, "12-", "15-"},
		{Compression{Send: no(9), Receive: no(9)}, pd + cmwb, pd + snct + cnct + cmwb + "=9", "9-", "9-"},

		// Small windows. One that was not asked for is kept without a word.
		{Compression{Send: upTo(8), Receive: upTo(8)}, pd, pd + cnct, "8", "15-"},
		{Compression{Send: upTo(8), Receive: upTo(8)}, pd + cmwb + smwb + "=10", pd + smwb + "=8" + cmwb + "=8", "8", "8"},
		{Compression{Send: upTo(10), Receive: upTo(15)}, pd + smwb + "=12", pd + smwb + "=10", "10", "15"},

		// Several offers, in the client's order.
		{full, pd + snct + ", " + pd, pd + snct, "15-", "15"},
		{full, pd + ", " + pd + snct, pd, "15", "15"},
		{full, pd + "; x, " + pd + smwb + "=7, " + pd + smwb + "=9, " + pd, pd + smwb + "=9", "9", "15"},
		{full, pd + smwb + ", " + pd + cmwb + "=016, " + pd + cnct, pd + cnct, "15", "15-"},
		{full, "x-webkit-deflate-frame, permessage-bzip2; level=9, " + pd + snct, pd + snct, "15-", "15"},
		{full, pd + snct + "; x, " + pd + snct + cnct + smwb + "=1, " + pd, pd, "15", "15"}, // nothing of a declined offer stays

		// None that we understand.
		{full, "permessage-bzip2", "", "", ""},
		{full, "permessage-deflate2", "", "", ""},
		{full, "x-permessage-deflate", "", "", ""},
		{full, pd + "; x", "", "", ""},
		{full, pd + snct + "=1, " + pd + smwb, "", "", ""},
	} {
		got := acceptDeflate(offersOf(t, c.offer), &c.ours)
		switch {
		case !got.on && c.answer == "":
		case got.answer != c.answer || got.send.String() != c.send || got.receive.String() != c.receive:
			t.Errorf("%+v\n\toffered %s\n\tanswered %s, sends %v, receives %v\n\twant %s, sends %s, receives %s",
				c.ours, c.offer, got.answer, got.send, got.receive, c.answer, c.send, c.receive)
		}
	}
	if got := acceptDeflate(offersOf(t, pd), nil); got != (deflateParams{}) {
		t.Errorf("without options: %+v", got)
	}
	if got := acceptDeflate(nil, &full); got != (deflateParams{}) {
		t.Errorf("without an offer: %+v", got)
	}
	// A field that is repeated is one list.
	if got := acceptDeflate(offersOf(t, "permessage-bzip2", "", pd+snct), &full); got.answer != pd+snct {
		t.Errorf("in two fields: answered %q", got.answer)
	}
}

// What a client offers.
func TestOffered(t *testing.T) {
	for _, c := range []struct {
		ours Compression
		want string
	}{
		{Compression{}, "permessage-deflate; client_max_window_bits"},
		{Compression{Send: upTo(15), Receive: upTo(15)}, "permessage-deflate; client_max_window_bits"},
		{Compression{Send: upTo(10)}, "permessage-deflate; client_max_window_bits=10"},
		{Compression{Receive: upTo(10)}, "permessage-deflate; server_max_window_bits=10; client_max_window_bits"},
		{Compression{Send: no(0)}, "permessage-deflate; client_no_context_takeover; client_max_window_bits"},
		{Compression{Receive: no(0)}, "permessage-deflate; server_no_context_takeover; client_max_window_bits"},
		{
			Compression{Send: no(8), Receive: no(9)},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=8",
		},
	} {
		if got := c.ours.resolve(clientRole).offered().String(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.ours, got, c.want)
		}
	}
}

// What a client makes of the server's answer. RFC 6455, section 4.1, and RFC 7692, sections 5 and 7.1.
func TestCheckExtensions(t *testing.T) {
	const pd = "permessage-deflate"
	full := &Compression{}
	small := &Compression{Send: upTo(10), Receive: upTo(10)}
	for _, c := range []struct {
		name          string
		ours          *Compression
		answer        []string
		send, receive string // as they are agreed on
		refused       string // or what the refusal says
	}{
		{"nothing offered, none answered", nil, nil, "0-", "0-", ""},
		{"declined", full, nil, "0-", "0-", ""},
		{"as offered", full, []string{pd}, "15", "15", ""},
		{"without our takeover", full, []string{pd + "; client_no_context_takeover"}, "15-", "15", ""},
		{"without its takeover", full, []string{pd + "; server_no_context_takeover"}, "15", "15-", ""},
		{"limits us", full, []string{pd + "; client_max_window_bits=9"}, "9", "15", ""},
		{"limits itself", full, []string{pd + "; server_max_window_bits=9"}, "15", "9", ""},
		{"all at once, quoted", full, []string{pd + `; server_max_window_bits="8"; client_max_window_bits="8"; server_no_context_takeover; client_no_context_takeover`}, "8-", "8-", ""},
		{"empty elements around it", full, []string{", " + pd + " ,", ""}, "15", "15", ""},

		{"our window as it is", small, []string{pd + "; server_max_window_bits=10"}, "10", "10", ""},
		{"a smaller one", small, []string{pd + "; server_max_window_bits=8; client_max_window_bits=9"}, "9", "8", ""},
		{"a larger one for us, of which we make no use", small, []string{pd + "; server_max_window_bits=10; client_max_window_bits=15"}, "10", "10", ""},
		{"our offer not to take over, which needs no answer", &Compression{Send: no(0)}, []string{pd}, "15-", "15", ""},
		{"its takeover was refused", &Compression{Receive: no(0)}, []string{pd + "; server_no_context_takeover"}, "15", "15-", ""},

		{"nothing offered", nil, []string{pd}, "", "", "not offered"},
		{"another extension", full, []string{"permessage-bzip2"}, "", "", "not offered"},
		{"another one before it", full, []string{"x, " + pd}, "", "", "not offered"},
		{"another one behind it", full, []string{pd + ", x"}, "", "", "but one was offered"},
		{"twice", full, []string{pd, pd}, "", "", "but one was offered"},
		{"of another case", full, []string{"Permessage-Deflate"}, "", "", "not offered"},
		{"no list", full, []string{pd + ";;"}, "", "", "no list"},
		{"empty", full, []string{""}, "", "", "no list"},
		{"only commas", full, []string{", ,"}, "", "", "no list"},
		{"empty, and nothing offered", nil, []string{""}, "", "", "not offered"},
		{"an unknown parameter", full, []string{pd + "; x"}, "", "", "parameter"},
		{"a parameter twice", full, []string{pd + "; server_no_context_takeover; server_no_context_takeover"}, "", "", "parameter"},
		{"a limit without a value", full, []string{pd + "; client_max_window_bits"}, "", "", "parameter"},
		{"a limit of 16", full, []string{pd + "; server_max_window_bits=16"}, "", "", "parameter"},
		{"a value that must not be", full, []string{pd + "; client_no_context_takeover=1"}, "", "", "parameter"},
		{"takes over all the same", &Compression{Receive: no(0)}, []string{pd}, "", "", "server_no_context_takeover was asked for"},
		{"no word of the window", small, []string{pd}, "", "", "server_max_window_bits=10 was asked for"},
		{"only of the other one", small, []string{pd + "; client_max_window_bits=10"}, "", "", "server_max_window_bits=10 was asked for"},
		{"a larger window", small, []string{pd + "; server_max_window_bits=11"}, "", "", "server_max_window_bits=10 was asked for"},
	} {
		agreed, err := checkExtensions(c.answer, c.ours)
		if c.refused != "" {
			if err == nil || err.Check != "extensions" || !strings.Contains(err.Reason, c.refused) || agreed.on {
				t.Errorf("%s: %+v, %v, want a refusal that says %q", c.name, agreed, err, c.refused)
			}
			continue
		}
		if err != nil || agreed.send.String() != c.send || agreed.receive.String() != c.receive || agreed.on != (c.answer != nil) {
			t.Errorf("%s: sends %v, receives %v, %v, want %s and %s", c.name, agreed.send, agreed.receive, err, c.send, c.receive)
		}
	}
}

// allCompressions is options of every kind that matters to negotiation.
func allCompressions() (all []*Compression) {
	contexts := []CompressionContext{{}, upTo(8), upTo(9), upTo(12), upTo(15), no(0), no(8), no(10), no(15)}
	for _, send := range contexts {
		for _, receive := range contexts {
			all = append(all, &Compression{Send: send, Receive: receive})
		}
	}
	return all
}

// Our own two ends agree with each other, whatever their options are: each side keeps to what the other counts on.
func TestBothEndsAgree(t *testing.T) {
	for _, server := range allCompressions() {
		for _, client := range allCompressions() {
			s, c := agreement(server, client) // panics if the client refuses
			if !keepsTo(s.send, c.receive) || !keepsTo(c.send, s.receive) || s.answer != c.answer || !s.on || !c.on {
				t.Fatalf("server %+v, client %+v: agreed on %+v and %+v", server, client, s, c)
			}
			want := func(what string, asked CompressionContext, r role, got deflateContext) {
				asking := asked.resolve(map[role]int{serverRole: DefaultServerWindowBits, clientRole: DefaultClientWindowBits}[r])
				if got.bits > asking.bits || got.takeover && !asking.takeover {
					t.Fatalf("server %+v, client %+v: %s got %v", server, client, what, got)
				}
			}
			want("what the server sends", server.Send, serverRole, s.send)
			want("what the client sends", client.Send, clientRole, c.send)
			want("what the client receives", client.Receive, clientRole, c.receive)
			want("what the server receives", server.Receive, serverRole, s.receive)
		}
	}
}

// What must not be in the options.
var badCompressions = map[string]*Compression{
	"Compression.Level is 3, which is none of the three":                     {Level: 3},
	"Compression.Send.WindowBits is 7; it has to be from 8 to 15, or 0":      {Send: upTo(7)},
	"Compression.Send.WindowBits is -1; it has to be from 8 to 15, or 0":     {Send: upTo(-1)},
	"Compression.Receive.WindowBits is 16; it has to be from 8 to 15, or 0":  {Receive: upTo(16)},
	"Compression.Receive.WindowBits is 7; it has to be from 8 to 15, or 0":   {Receive: no(7)},
	"Compression.Receive.WindowBits is 100; it has to be from 8 to 15, or 0": {Level: CompressionHuffman, Receive: no(100)},
}

func TestBadCompressionOptions(t *testing.T) {
	for mistake, bad := range badCompressions {
		u := &Upgrader{Compression: bad}
		h, errs := upgrading(u, nil)
		for _, line := range []string{"X-Some: thing", "Sec-WebSocket-Extensions: permessage-deflate"} {
			a := handshake(t, startServer(t, h), requestText(line))
			if a.status != http.StatusInternalServerError || !strings.Contains(a.body, mistake) {
				t.Errorf("Upgrader, %q: answered %d %q", mistake, a.status, a.body)
			}
			wantRefusal(t, errs, "compression", http.StatusInternalServerError)
		}
		d := Dialer{Compression: bad, DialContext: func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("Dialer, %q: it connects all the same", mistake)
			return nil, net.ErrClosed
		}}
		if c, _, err := d.Dial(testContext(t), "ws://localhost/", nil); c != nil || err == nil || !strings.Contains(err.Error(), mistake) {
			t.Errorf("Dialer, %q: %v, %v", mistake, c, err)
		}
		for _, o := range []PipeOptions{{Server: PipeSide{Compression: bad}}, {Client: PipeSide{Compression: bad}}} {
			if got := pipePanic(&o); !strings.Contains(got, mistake) {
				t.Errorf("Pipe, %q: panic %q", mistake, got)
			}
		}
	}
	for _, good := range append(allCompressions(), nil, &Compression{Level: CompressionHuffman}, &Compression{Threshold: -1}) {
		if mistake := good.check(); mistake != "" {
			t.Errorf("%+v: %s", good, mistake)
		}
	}
}

// pipePanic returns what Pipe panics with.
func pipePanic(o *PipeOptions) (message string) {
	defer func() { message = fmt.Sprint(recover()) }()
	Pipe(o)
	return ""
}

// What is answered over HTTP, and with which Extension both ends go on.
func TestCompressionOverHTTP(t *testing.T) {
	for _, c := range []struct {
		name           string
		server, client *Compression
		want           string
	}{
		{"both", &Compression{}, &Compression{}, "permessage-deflate; client_max_window_bits=12"},
		{"the server only", &Compression{}, nil, ""},
		{"the client only", nil, &Compression{}, ""},
		{"neither", nil, nil, ""},
		{"no takeover", &Compression{Send: no(0), Receive: no(0)}, &Compression{}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=12"},
		{"no takeover for the client", &Compression{}, &Compression{Send: no(0), Receive: no(0)}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=12"},
		{"small windows", &Compression{}, &Compression{Send: upTo(9), Receive: upTo(10)}, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9"},
		{"the smallest windows", &Compression{Send: upTo(8), Receive: upTo(8)}, &Compression{Send: upTo(8), Receive: upTo(8)}, "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8"},
		{"Huffman", &Compression{Level: CompressionHuffman}, &Compression{Level: CompressionBalanced}, "permessage-deflate; client_max_window_bits=12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := &Upgrader{Compression: c.server}
			conns := make(chan *Conn, 1)
			addr := startServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := u.Upgrade(w, r, nil)
				if err != nil {
					return
				}
				defer conn.CloseNow()
				conns <- conn
				echo(conn)
			}))
			client, res, err := (&Dialer{Compression: c.client}).Dial(testContext(t), "ws://"+addr+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseNow()
			server := <-conns
			if got := res.Header.Get("Sec-WebSocket-Extensions"); got != c.want {
				t.Errorf("answered %q, want %q", got, c.want)
			}
			if client.Extension() != c.want || server.Extension() != c.want {
				t.Errorf("Extension: %q at the client, %q at the server, want %q", client.Extension(), server.Extension(), c.want)
			}
			for i := range 20 {
				want := jsonText(100+500*i, i%3)
				if err := client.WriteMessage(TextMessage, []byte(want)); err != nil {
					t.Fatal(err)
				}
				wantText(t, client, want)
			}
			if got := client.Stats(); got.CompressedOut > 0 != (c.want != "") || got.CompressedIn > 0 != (c.want != "") {
				t.Errorf("compressed: %d sent, %d received", got.CompressedOut, got.CompressedIn)
			}
		})
	}
}

// An Upgrader answers raw requests, a Dialer judges raw answers.
func TestCompressionHandshakeBytes(t *testing.T) {
	h, _ := upgrading(&Upgrader{Compression: &Compression{}}, nil)
	addr := startServer(t, h)
	for offer, want := range map[string][]string{
		"permessage-deflate": {"permessage-deflate; client_no_context_takeover"},
		"permessage-deflate; client_max_window_bits=\"9\"; server_max_window_bits=\"8\"": {
			"permessage-deflate; server_max_window_bits=8; client_max_window_bits=9",
		},
		"x-webkit-deflate-frame": nil,
		"permessage-deflate; y":  nil,
		"permessage-deflate; y, permessage-deflate; client_max_window_bits": {"permessage-deflate; client_max_window_bits=12"},
	} {
		a := handshake(t, addr, requestText("Sec-WebSocket-Extensions: "+offer))
		if got := a.header.Values("Sec-WebSocket-Extensions"); a.status != 101 || !slices.Equal(got, want) {
			t.Errorf("%s: answered %d %q, want %q", offer, a.status, got, want)
		}
	}
	if a := handshake(t, addr, requestText("Sec-WebSocket-Extensions: permessage-deflate;;")); a.status != 400 {
		t.Errorf("what is no list: answered %d", a.status)
	}

	for answer, refused := range map[string]bool{
		"permessage-deflate; server_max_window_bits=10":                            false,
		"permessage-deflate; client_no_context_takeover; server_max_window_bits=9": false,
		"permessage-deflate":                                 true,
		"permessage-deflate; server_max_window_bits=11":      true,
		"permessage-deflate; server_max_window_bits=10; x":   true,
		"permessage-bzip2":                                   true,
		"permessage-deflate; server_max_window_bits=10, foo": true,
	} {
		addr := serveScript(t, listen(t), func(nc net.Conn, r *http.Request) {
			if got := r.Header.Values("Sec-WebSocket-Extensions"); !slices.Equal(got, []string{"permessage-deflate; server_max_window_bits=10; client_max_window_bits"}) {
				t.Errorf("offered %q", got)
			}
			fmt.Fprint(nc, accepting(r, "Sec-WebSocket-Extensions: "+answer))
			awaitClose(nc)
		})
		c, res, err := (&Dialer{Compression: &Compression{Receive: upTo(10)}}).Dial(testContext(t), "ws://"+addr, nil)
		if refused {
			he := wantHandshakeError(t, c, err, "extensions")
			if he.Status != 101 || res == nil {
				t.Errorf("%s: %v with status %d", answer, he, he.Status)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", answer, err)
			continue
		}
		if got := c.Extension(); got != answer {
			t.Errorf("%s: Extension is %q", answer, got)
		}
		c.CloseNow()
	}
}

// A Pipe compresses if both ends have options for it.
func TestPipeCompression(t *testing.T) {
	for _, sides := range [][2]*Compression{{nil, nil}, {{}, nil}, {nil, {}}, {{}, {}}} {
		server, client := Pipe(&PipeOptions{Server: PipeSide{Compression: sides[0]}, Client: PipeSide{Compression: sides[1]}})
		want := ""
		if sides[0] != nil && sides[1] != nil {
			want = "permessage-deflate; client_max_window_bits=12"
		}
		if server.Extension() != want || client.Extension() != want {
			t.Errorf("Extension: %q and %q, want %q", server.Extension(), client.Extension(), want)
		}
		text := jsonText(1000, 0)
		server.WriteMessage(TextMessage, []byte(text))
		wantText(t, client, text)
		if got := server.Stats().CompressedOut == 1; got != (want != "") {
			t.Errorf("compressed: %v, want %v", got, want != "")
		}
		server.CloseNow()
		client.CloseNow()
	}
}

// FuzzDeflateOffer: whatever a client offers, the server's answer keeps to the offer; and whatever a server answers to
// our own offer, what we accept keeps to it.
func FuzzDeflateOffer(f *testing.F) {
	f.Add("permessage-deflate; client_max_window_bits", uint8(0), uint8(0), uint8(3))
	f.Add("permessage-deflate; server_max_window_bits=10; client_no_context_takeover, permessage-deflate", uint8(0x38), uint8(0x0a), uint8(0))
	f.Add(`x, permessage-deflate; server_max_window_bits="08", permessage-deflate; server_no_context_takeover`, uint8(0x1a), uint8(0xf9), uint8(1))
	f.Add("permessage-deflate; client_max_window_bits=15; client_max_window_bits", uint8(0xff), uint8(8), uint8(2))
	f.Fuzz(func(t *testing.T, field string, send, receive, level uint8) {
		context := func(b uint8) CompressionContext {
			return CompressionContext{NoTakeover: b&0x80 != 0, WindowBits: []int{0, 8, 9, 10, 11, 12, 14, 15}[b&7]}
		}
		ours := &Compression{Send: context(send), Receive: context(receive), Level: CompressionLevel(level % 3)}
		list, ok := parseExtensions([]string{field})
		if !ok {
			list = nil
		}
		checkAccepted(t, list, ours)
		checkAgreed(t, field, ours)
	})
}

// checkAccepted judges what a server answers to a list of offers.
func checkAccepted(t *testing.T, offers []extension, ours *Compression) {
	agreed := acceptDeflate(offers, ours)
	var offer deflateOffer // the first that a client may make
	i := slices.IndexFunc(offers, func(e extension) (ok bool) {
		offer, ok = parseDeflate(e.params, false)
		return ok && e.name == extensionDeflate
	})
	if agreed.on != (i >= 0) {
		t.Fatalf("on is %v, the first good offer is number %d", agreed.on, i)
	}
	if !agreed.on {
		if agreed != (deflateParams{}) {
			t.Fatalf("%+v without an offer", agreed)
		}
		return
	}
	answers, ok := parseExtensions([]string{agreed.answer})
	if !ok || len(answers) != 1 || answers[0].name != extensionDeflate {
		t.Fatalf("answered %q", agreed.answer)
	}
	answer, ok := parseDeflate(answers[0].params, true)
	if !ok || answer.String() != agreed.answer {
		t.Fatalf("answered %q, which reads as %q, %v", agreed.answer, answer, ok)
	}
	switch { // RFC 7692, sections 7.1.1.1, 7.1.2.1 and 7.1.2.2
	case offer.serverNoTakeover && !answer.serverNoTakeover,
		offer.serverBits != 0 && (answer.serverBits == 0 || answer.serverBits > offer.serverBits),
		offer.serverBits == 0 && answer.serverBits != 0,
		offer.clientBits == 0 && answer.clientBits != 0,
		offer.clientBits > 0 && answer.clientBits > offer.clientBits,
		agreed.receive.takeover && offer.clientNoTakeover:
		t.Fatalf("offered %q, answered %q", offer, answer)
	}
	// The client that made the offer knows by the answer what it may count on.
	clientSends := deflateContext{maxWindowBits, !answer.clientNoTakeover && !offer.clientNoTakeover}
	if offer.clientBits > 0 {
		clientSends.bits = offer.clientBits
	}
	if answer.clientBits != 0 {
		clientSends.bits = answer.clientBits
	}
	clientReceives := deflateContext{maxWindowBits, !answer.serverNoTakeover}
	if answer.serverBits != 0 {
		clientReceives.bits = answer.serverBits
	}
	if !keepsTo(clientSends, agreed.receive) || !keepsTo(agreed.send, clientReceives) {
		t.Fatalf("offered %q, answered %q: the server sends %v and receives %v", offer, answer, agreed.send, agreed.receive)
	}
	want := ours.resolve(serverRole)
	if agreed.send.bits > want.send.bits || agreed.send.takeover && !want.send.takeover || agreed.receive.takeover && !want.receive.takeover ||
		agreed.receive.takeover && agreed.receive.bits > want.receive.bits {
		t.Fatalf("wants %v and %v, agreed to %v and %v", want.send, want.receive, agreed.send, agreed.receive)
	}
}

// checkAgreed judges what a client makes of an answer.
func checkAgreed(t *testing.T, field string, ours *Compression) {
	agreed, err := checkExtensions([]string{field}, ours)
	if err != nil {
		checkPresentable(t, "answer", err)
		if agreed != (deflateParams{}) {
			t.Fatalf("%+v is agreed on although the answer is refused", agreed)
		}
		return
	}
	want := ours.resolve(clientRole)
	list, _ := parseExtensions([]string{field})
	answer, ok := parseDeflate(list[0].params, true)
	if !ok || len(list) != 1 || list[0].name != extensionDeflate {
		t.Fatalf("%q is accepted", field)
	}
	switch {
	case agreed.send.bits > want.send.bits || answer.clientBits != 0 && agreed.send.bits > answer.clientBits,
		agreed.send.takeover && (answer.clientNoTakeover || !want.send.takeover),
		agreed.receive.bits > want.receive.bits && want.receive.bits < maxWindowBits,
		agreed.receive.takeover == answer.serverNoTakeover || agreed.receive.takeover && !want.receive.takeover:
		t.Fatalf("%q: agreed to send %v and receive %v, wanted %v and %v", field, agreed.send, agreed.receive, want.send, want.receive)
	}
}
