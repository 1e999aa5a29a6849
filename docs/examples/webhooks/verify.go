// Package webhooks tells whether a webhook is genuine. It needs Go's standard library only.
package webhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const tolerance = 5 * time.Minute

// Verify returns an error where body, the bytes of the request as they came, is not genuine, or was not sent within the
// last five minutes.
func Verify(body []byte, header http.Header, secret string, now time.Time) error {
	timestamp := header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return errors.New("no timestamp, or one that is too far from now")
	}
	key, err := keyOf(secret)
	if err != nil {
		return err
	}
	signed := append([]byte(header.Get("webhook-id")+"."+timestamp+"."), body...)
	expected := "v1," + base64.StdEncoding.EncodeToString(sum(key, signed))
	for _, given := range strings.Split(header.Get("webhook-signature"), " ") { // two while the secret is being changed
		if hmac.Equal([]byte(expected), []byte(given)) {
			return nil
		}
	}
	return errors.New("no signature is made with this secret")
}

// VerifyBody tells whether signature, the header X-Webhook-Signature, is of body. It says nothing of when it was sent.
func VerifyBody(body []byte, signature, secret string) bool {
	expected := "sha256=" + hex.EncodeToString(sum([]byte(secret), body))
	return hmac.Equal([]byte(expected), []byte(signature))
}

// keyOf: a secret that was made for you holds its key in base64; one that you chose is its own key.
func keyOf(secret string) ([]byte, error) {
	if encoded, made := strings.CutPrefix(secret, "whsec_"); made {
		return base64.StdEncoding.DecodeString(encoded)
	}
	return []byte(secret), nil
}

func sum(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}
