// Made by scripts/wire.py from the server's message types; `make wire` writes it anew.

/** The protocol these messages are of. */
export const PROTOCOL_VERSION = "1.2";

export interface AnswerWebRtc {
  type: "webrtc_answer";
  room_code: string;
  to: string;
  sdp: unknown;
}

/** All chunks up to `seq` are safe: they need not be sent again on another socket. */
export interface AudioAck {
  type: "audio_ack";
  session_id: string;
  seq: number;
}

export interface AudioChunk {
  type: "audio_chunk";
  session_id: string;
  seq: number;
  is_final: boolean;
  payload?: string;
  deadline_ms?: number;
}

export interface Backpressure {
  type: "backpressure";
  action: string;
  resume_after_ms: number;
  message?: string;
}

/** So many captions were left out here, because they were read too slowly. */
export interface Behind {
  type: "behind";
  captions: number;
}

/** No answer is wanted any more; without an index, to what is being said. */
export interface CancelUtterance {
  type: "utterance_cancel";
  session_id: string;
  utterance_index?: number;
}

/** What somebody said and this language does not get; `reason` is stable. */
export interface CaptionMissed {
  type: "caption_missing";
  room_code: string;
  lang: string;
  speaker_id: string;
  utterance_index: number;
  reason: string;
  at_ms: number;
  caption_id?: string;
  speaker_name?: string;
}

/** What somebody said; one that may still change (`is_final` false) has no id. */
export interface CaptionShown {
  type: "caption";
  room_code: string;
  lang: string;
  speaker_id: string;
  utterance_index: number;
  text: string;
  is_final: boolean;
  at_ms: number;
  caption_id?: string;
  speaker_name?: string;
  source_text?: string;
  tail?: string;
}

/** Listen in another language from now on. */
export interface ChangeLanguageInRoom {
  type: "room_language";
  room_code: string;
  preferred_lang: string;
}

/** The next clause of the translation, spoken; `seq` counts from 0 within an attempt. */
export interface ClauseSaid {
  type: "tts_chunk";
  session_id: string;
  utterance_index: number;
  job_id: string;
  attempt_id: number;
  seq: number;
  audio: string;
  tts_format: string;
  trace_id: string;
  tgt_lang?: string;
}

export interface ClientHeartbeat {
  type: "client_heartbeat";
  session_id: string;
  timestamp: number;
}

export interface CloseSession {
  type: "session_close";
  session_id: string;
  reason: string;
}

export interface ConnectWebRtc {
  type: "webrtc_ice";
  room_code: string;
  to: string;
  candidate: unknown;
}

export interface CreateRoom {
  type: "room_create";
  client_ts: number;
  display_name?: string;
  preferred_lang?: string;
}

/** End a room for everybody in it; whoever opened it may. */
export interface EndRoom {
  type: "room_end";
  room_code: string;
}

/** A refusal, to either kind of socket; `code` is stable, `message` is for people. */
export interface ErrorFrame {
  type: "error";
  code: string;
  message: string;
  details?: unknown;
  trace_id?: string;
}

export interface InitSession {
  type: "session_init";
  client_version: string;
  platform: string;
  src_lang: string;
  tgt_lang: string;
  pairing_code?: string;
  tenant_id?: string;
  tgt_langs?: Array<string>;
  audio_format?: string;
  sample_rate?: number;
  enable_streaming?: boolean;
  enable_streaming_tts?: boolean;
  glossary?: Array<string>;
  enable_context?: boolean;
  deadline_ms?: number;
  resume_token?: string;
  dialect?: string;
  features?: Record<string, unknown>;
  mode?: string;
  lang_a?: string;
  lang_b?: string;
  auto_langs?: Array<string>;
  trace_id?: string;
  traceparent?: string;
}

export interface JoinRoom {
  type: "room_join";
  room_code: string;
  display_name?: string;
  preferred_lang?: string;
}

export interface LeaveRoom {
  type: "room_leave";
  room_code: string;
}

/** Begin to listen; a ticket names the room by itself. */
export interface Listen {
  type: "listen";
  room_code?: string;
  after?: string;
  lang: string;
}

/** From here on come captions in this language, those of the last minutes first. */
export interface Listening {
  type: "listening";
  room_code: string;
  lang: string;
}

export interface MissingResult {
  type: "missing_result";
  session_id: string;
  utterance_index: number;
  reason: string;
  created_at_ms: number;
  trace_id?: string;
  tgt_lang?: string;
}

/** In a room: for another's browser; on its way out `to` names who sends it. */
export interface OfferWebRtc {
  type: "webrtc_offer";
  room_code: string;
  to: string;
  sdp: unknown;
}

export interface PartialShown {
  type: "asr_partial";
  session_id: string;
  utterance_index: number;
  job_id: string;
  text: string;
  is_final: boolean;
  trace_id: string;
}

/** Which services the speaker asks for. */
export interface PipelineWanted {
  use_asr: boolean;
  use_nmt: boolean;
  use_tts: boolean;
  use_semantic?: boolean;
  use_tone?: boolean;
}

export interface PreferRawVoice {
  type: "room_raw_voice_preference";
  room_code: string;
  target_session_id: string;
  receive_raw_voice: boolean;
}

/** The speaker has every answer up to this utterance. */
export interface ResultAck {
  type: "result_ack";
  session_id: string;
  utterance_index: number;
}

/** The room is there; also to who joins, before its members are named. */
export interface RoomCreated {
  type: "room_create_ack";
  room_code: string;
  room_id: string;
}

export interface RoomExpired {
  type: "room_expired";
  room_code: string;
  message: string;
}

/** A member of a room who speaks, as its pages show it. */
export interface RoomMember {
  participant_id: string;
  session_id: string;
  joined_at: string;
  display_name?: string;
  preferred_lang?: string;
  raw_voice_preferences?: Record<string, boolean>;
}

/** Who speaks in the room, in the order they came. */
export interface RoomMembers {
  type: "room_members";
  room_code: string;
  members: Array<RoomMember>;
}

export interface RoomRefused {
  type: "room_error";
  code: string;
  message: string;
}

export interface ServerHeartbeat {
  type: "server_heartbeat";
  session_id: string;
  timestamp: number;
}

export interface SessionClosed {
  type: "session_close_ack";
  session_id: string;
}

export interface SessionOpened {
  type: "session_init_ack";
  session_id: string;
  trace_id: string;
  message?: string;
  protocol_version?: string;
  use_binary_frame?: boolean;
  negotiated_codec?: string;
  negotiated_audio_format?: string;
  negotiated_sample_rate?: number;
  negotiated_channel_count?: number;
  resume_token?: string;
  resumed?: boolean;
  acked_seq?: number;
  assigned_node_id?: string;
  pairing_error?: string;
}

/** Go on in another language. */
export interface SetLanguage {
  type: "set_language";
  lang: string;
}

/** What has been translated so far: within an attempt `committed` only grows. */
export interface TranslationGrowing {
  type: "translation_partial";
  session_id: string;
  utterance_index: number;
  job_id: string;
  attempt_id: number;
  committed: string;
  tail: string;
  trace_id: string;
  tgt_lang?: string;
}

export interface TranslationResult {
  type: "translation_result";
  session_id: string;
  utterance_index: number;
  job_id: string;
  text_asr: string;
  text_translated: string;
  tts_audio: string;
  tts_format: string;
  trace_id: string;
  scheduler_sent_at_ms: number;
  extra?: Record<string, unknown>;
  group_id?: string;
  part_index?: number;
  service_timings?: Record<string, unknown>;
  asr_quality_level?: string;
  reason_codes?: Array<string>;
  quality_score?: number;
  rerun_count?: number;
  segments_meta?: Record<string, unknown>;
  tts_chunks?: number;
  speech_ended_at_ms?: number;
  tgt_lang?: string;
}

export interface TtsPlayEnded {
  type: "tts_play_ended";
  session_id: string;
  trace_id: string;
  group_id: string;
  ts_end_ms: number;
}

export interface TtsStarted {
  type: "tts_started";
  session_id: string;
  trace_id: string;
  group_id: string;
  ts_start_ms: number;
}

export interface UiEvent {
  type: "ui_event";
  trace_id: string;
  session_id: string;
  job_id: string;
  utterance_index: number;
  event: string;
  status: string;
  elapsed_ms?: number;
  error_code?: string;
  hint?: string;
  queue_position?: number;
  expected_wait_ms?: number;
}

/** The words that matter from now on, in place of those before. */
export interface UpdateSession {
  type: "session_update";
  session_id: string;
  glossary: Array<string>;
}

export interface Utterance {
  type: "utterance";
  session_id: string;
  utterance_index: number;
  manual_cut: boolean;
  src_lang: string;
  tgt_lang: string;
  audio: string;
  audio_format: string;
  sample_rate: number;
  pipeline?: PipelineWanted;
  request_id?: string;
  deadline_ms?: number;
  dialect?: string;
  features?: Record<string, unknown>;
  mode?: string;
  lang_a?: string;
  lang_b?: string;
  auto_langs?: Array<string>;
  trace_id?: string;
  traceparent?: string;
}

export interface FromSpeaker {
  session_init: InitSession;
  result_ack: ResultAck;
  session_update: UpdateSession;
  audio_chunk: AudioChunk;
  utterance: Utterance;
  utterance_cancel: CancelUtterance;
  client_heartbeat: ClientHeartbeat;
  tts_started: TtsStarted;
  tts_play_ended: TtsPlayEnded;
  session_close: CloseSession;
  room_create: CreateRoom;
  room_join: JoinRoom;
  room_leave: LeaveRoom;
  room_raw_voice_preference: PreferRawVoice;
  room_language: ChangeLanguageInRoom;
  room_end: EndRoom;
  webrtc_offer: OfferWebRtc;
  webrtc_answer: AnswerWebRtc;
  webrtc_ice: ConnectWebRtc;
}

export interface ToSpeaker {
  session_init_ack: SessionOpened;
  translation_result: TranslationResult;
  missing_result: MissingResult;
  asr_partial: PartialShown;
  translation_partial: TranslationGrowing;
  tts_chunk: ClauseSaid;
  audio_ack: AudioAck;
  ui_event: UiEvent;
  server_heartbeat: ServerHeartbeat;
  session_close_ack: SessionClosed;
  backpressure: Backpressure;
  room_create_ack: RoomCreated;
  room_members: RoomMembers;
  room_expired: RoomExpired;
  room_error: RoomRefused;
  webrtc_offer: OfferWebRtc;
  webrtc_answer: AnswerWebRtc;
  webrtc_ice: ConnectWebRtc;
  error: ErrorFrame;
}

export interface FromListener {
  listen: Listen;
  set_language: SetLanguage;
}

export interface ToListener {
  listening: Listening;
  caption: CaptionShown;
  caption_missing: CaptionMissed;
  behind: Behind;
  room_expired: RoomExpired;
  error: ErrorFrame;
}
