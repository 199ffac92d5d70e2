{{- define "keyrack.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "keyrack.labels" -}}
app.kubernetes.io/name: keyrack
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "keyrack.selector" -}}
app.kubernetes.io/name: keyrack
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "keyrack.host" -}}
{{- trimPrefix "https://" .Values.siteUrl -}}
{{- end -}}

{{- define "keyrack.probeHeaders" -}}
- {name: Host, value: {{ include "keyrack.host" . | quote }}}
- {name: X-Forwarded-Proto, value: https}
{{- end -}}

{{/* What all pods have in common. */}}
{{- define "keyrack.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - {name: data, emptyDir: {}}
  - {name: tmp, emptyDir: {}}
{{- end -}}

{{/* What all containers have in common. Variables in extraEnv are set unless the values have them. */}}
{{- define "keyrack.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
envFrom:
  - secretRef: {name: {{ .Values.existingSecret }}}
env:
  - {name: SITE_URL, value: {{ .Values.siteUrl | quote }}}
  - {name: BEHIND_TLS_PROXY, value: "true"}
  {{- range $name, $value := merge (dict) .Values.env (.extraEnv | default dict) }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: tmp, mountPath: /tmp}
{{- end -}}
