{{- define "qiskit-runtime.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "qiskit-runtime.jobsNamespace" -}}
{{ .Values.jobs.namespace | default .Release.Namespace }}
{{- end }}

{{/* Labels of an object; call with (dict "root" $ "component" "api"). */}}
{{- define "qiskit-runtime.labels" -}}
{{ include "qiskit-runtime.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "qiskit-runtime.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The name of an image; call with (dict "root" $ "name" "qiskit-runtime-api"). */}}
{{- define "qiskit-runtime.image" -}}
{{- $name := .name -}}
{{- if not (regexMatch ":[^/]+$|@sha256:" $name) }}{{ $name = printf "%s:%s" $name (.root.Values.image.tag | default .root.Chart.AppVersion) }}{{ end -}}
{{- if .root.Values.image.prefix }}{{ printf "%s/%s" (trimSuffix "/" .root.Values.image.prefix) $name }}{{ else }}{{ $name }}{{ end -}}
{{- end }}

{{/* The resource classes as the operator reads them: their images by their whole names, without the pools. */}}
{{- define "qiskit-runtime.classes" -}}
{{- $classes := dict -}}
{{- range $name, $class := .Values.runner.classes -}}
{{- $own := omit $class "warmPool" -}}
{{- with $own.image }}{{ $_ := set $own "image" (include "qiskit-runtime.image" (dict "root" $ "name" .)) }}{{ end -}}
{{- $_ := set $classes $name $own -}}
{{- end -}}
{{ toJson $classes }}
{{- end }}

{{- define "qiskit-runtime.classPools" -}}
{{- $pools := dict -}}
{{- range $name, $class := .Values.runner.classes }}{{ with $class.warmPool }}{{ $_ := set $pools $name . }}{{ end }}{{ end -}}
{{ toJson $pools }}
{{- end }}

{{/* The most pods that wait for jobs; empty where none do. */}}
{{- define "qiskit-runtime.mostWarm" -}}
{{- $most := 0 -}}
{{- range prepend (include "qiskit-runtime.classPools" . | fromJson | values) .Values.warmPool -}}
{{- if .size }}{{ $most = add $most (max (.size | int64) (.maxSize | default 0 | int64)) }}{{ end -}}
{{- end -}}
{{- with .Values.warmPool -}}
{{- if .perSession }}{{ $most = add $most (max (.size | int64) (.maxSize | int64) (.perSession | int64)) }}{{ end -}}
{{- end -}}
{{- if $most }}{{ $most }}{{ end -}}
{{- end }}

{{- define "qiskit-runtime.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "qiskit-runtime.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "qiskit-runtime.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "qiskit-runtime.tokenSecret" -}}
{{ .Values.auth.existingSecret | default (printf "%s-token" (include "qiskit-runtime.fullname" .)) }}
{{- end }}

{{- define "qiskit-runtime.accountsSecret" -}}
{{ .Values.auth.existingSecret | default (printf "%s-accounts" (include "qiskit-runtime.fullname" .)) }}
{{- end }}

{{/* The variables of the mode of authentication. The pods have one secret to sign identity tokens with:
made of the token, or one of its own. */}}
{{- define "qiskit-runtime.authEnv" -}}
{{- $auth := .Values.auth -}}
{{- if eq $auth.mode "token" }}
- name: RUNTIME_TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "qiskit-runtime.tokenSecret" . }}, key: token}}
{{- else }}
- name: RUNTIME_IDENTITY_SECRET
  valueFrom: {secretKeyRef: {name: {{ include "qiskit-runtime.fullname" . }}-identity, key: secret}}
{{- with .Values.jobs.perInstance }}
- {name: RUNTIME_INSTANCE_MAX_QUEUED, value: {{ .maxQueued | int64 | quote }}}
- {name: RUNTIME_INSTANCE_JOBS_PER_SECOND, value: {{ .maxPerSecond | quote }}}
- {name: RUNTIME_INSTANCE_SHARE_PERCENT, value: {{ .maxSharePercent | default 50 | int64 | quote }}}
{{- end }}
{{- end }}
{{- if eq $auth.mode "accounts" }}
- {name: RUNTIME_ACCOUNTS, value: /etc/qiskit-runtime/accounts.yaml}
{{- else if eq $auth.mode "oidc" }}
- {name: RUNTIME_OIDC_ISSUER, value: {{ $auth.oidc.issuer | quote }}}
- {name: RUNTIME_OIDC_AUDIENCE, value: {{ join "," $auth.oidc.audience | quote }}}
- {name: RUNTIME_OIDC_INSTANCES_CLAIM, value: {{ $auth.oidc.instancesClaim | quote }}}
- {name: RUNTIME_OIDC_ROLES_CLAIM, value: {{ $auth.oidc.rolesClaim | quote }}}
- {name: RUNTIME_OIDC_CLIENT_ID, value: {{ $auth.oidc.clientId | quote }}}
{{- with $auth.oidc.clientSecret }}
- name: RUNTIME_OIDC_CLIENT_SECRET
  valueFrom: {secretKeyRef: {name: {{ . }}, key: client-secret}}
{{- end }}
{{- end }}
{{- end }}

{{- define "qiskit-runtime.redisSecret" -}}
{{ .Values.redis.existingSecret | default (printf "%s-redis" (include "qiskit-runtime.fullname" .)) }}
{{- end }}

{{/* The variables that say where Redis is; call with (dict "root" $ "user" "api"). The password is in
a Secret, whoever made it. */}}
{{- define "qiskit-runtime.redisEnv" -}}
{{- if .root.Values.redis.enabled }}
- name: REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "qiskit-runtime.redisSecret" .root }}, key: {{ .user }}}}
- name: RUNTIME_REDIS_URL
  value: redis://{{ .user }}:$(REDIS_PASSWORD)@{{ include "qiskit-runtime.fullname" .root }}-redis.{{ .root.Release.Namespace }}.svc:6379/0
{{- else }}
- name: RUNTIME_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ include "qiskit-runtime.redisSecret" .root }}, key: url}}
{{- end }}
{{- end }}

{{/* A generated secret that is kept on upgrade; call with (dict "root" $ "secret" name "key" key). */}}
{{- define "qiskit-runtime.keptSecret" -}}
{{- $old := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- if and $old (hasKey ($old.data | default dict) .key) }}{{ index $old.data .key }}{{ else }}{{ randAlphaNum 40 | b64enc }}{{ end -}}
{{- end }}
